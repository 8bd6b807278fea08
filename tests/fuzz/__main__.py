"""``python -m tests.fuzz --programs 10000 --seed 1``: a failure is shrunk and printed as a program that can be run."""

from __future__ import annotations

import argparse
import collections
import sys
import time

import numpy as np

from tests.fuzz.run import failure_of, numbered


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--programs", type=int, default=1000, help="how many programs to try")
    parser.add_argument("--seed", type=int, default=0, help="which programs: each has a number under its seed")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument("--failures", type=int, default=20, help="stop after so many failures")
    options = parser.parse_args()
    skipped, failures, start = collections.Counter(), 0, time.perf_counter()
    for number in range(options.first, options.first + options.programs):
        reason, failure = failure_of(numbered(options.seed, number), np.random.default_rng([options.seed, number, 1]))
        skipped[reason] += 1
        if failure:
            failures += 1
            print(f"# -- seed {options.seed}, program {number} {'-' * 80}\n{failure}", flush=True)
            if failures == options.failures:
                break
    compared = skipped.pop(None, 0)
    rest = ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())
    spent = time.perf_counter() - start
    print(f"{compared} programs compared, {failures} failures, in {spent:.0f} s; left out: {rest or 'none'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
