"""Print the table: all themes, or those named on the command line."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from importlib import metadata

from dualdiff.base import native

from . import (
    compiled,
    everyday,
    gradient,
    high_orders,
    jacobian,
    linalg,
    points,
    scalar,
    signals,
    startup,
    uncertain,
)
from .harness import HEADER, measure, rows
from .large import reverse, scaling, scipy_data, sparse

THEMES = {
    "scalar": scalar.WORKS,
    "points": points.WORKS,
    "jacobian": jacobian.WORKS,
    "everyday": everyday.WORKS,
    "gradient": gradient.WORKS,
    "linalg": linalg.WORKS,
    "reverse": reverse.WORKS,
    "sparse": sparse.WORKS,
    "scipy_data": scipy_data.WORKS,
    "high_orders": high_orders.WORKS,
    "uncertain": uncertain.WORKS,
    "compiled": compiled.WORKS,
    "scaling": scaling.WORKS,
    "signals": signals.WORKS,
    "startup": startup.WORKS,
}


#: The packages whose versions the figures depend on.
PACKAGES = (
    *("numpy", "scipy", "autograd", "advect", "dualpy", "jax", "num-dual", "daceypy", "heyoka", "numba"),
    "uncertainties",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("themes", nargs="*", metavar="theme", help=", ".join(THEMES))
    parser.add_argument("--sample", type=float, default=0.01, help="seconds that one sample takes at least")
    options = parser.parse_args()
    if unknown := set(options.themes) - set(THEMES):
        parser.error(f"no theme {', '.join(sorted(unknown))}: there are {', '.join(THEMES)}")

    print(machine(), HEADER, sep="\n\n", flush=True)
    for theme in options.themes or THEMES:
        for work in THEMES[theme]:
            print(f"{work.name} ...", file=sys.stderr, flush=True)
            print(*rows(work, measure(work, options.sample)), sep="\n", flush=True)


def machine() -> str:
    """One line on what the figures were measured with."""
    versions = [f"Python {platform.python_version()}", f"{os.cpu_count()} cores"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} missing")
    versions.append(f"{'interpreted' if native.SCALARS is None else 'compiled'} scalar core")
    return ", ".join(versions) + "; medians, ± half the distance between the quartiles."


if __name__ == "__main__":
    main()
