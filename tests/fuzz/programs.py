"""Random programs: drawn, shrunk and written as Python."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, replace

import numpy as np

from tests.fuzz.vocabulary import CONSTANTS, NAMES, STEPS

SHAPES = [(3,), (1,), (4,), (2, 2), (2, 3), (1, 2), (3, 3), (2, 1, 2), ()]
LARGEST, MOST = 1e3, 60
#: The results are the last variables.
RETURNED = 3


@dataclass(frozen=True)
class Step:
    """A line of the vocabulary, with the numbers of the variables, the constant and the integer that it reads."""

    template: str
    reads: tuple[int, int]
    constant: str
    count: int

    def lines(self, number):
        a, b = (f"v{i}" for i in self.reads)
        return self.template.format(a=a, b=b, y=f"v{number}", k=self.constant, n=self.count).splitlines()


@dataclass(frozen=True)
class Program:
    """Steps, and the point at which they run."""

    steps: tuple[Step, ...]
    x: object

    def source(self):
        """The program as a function f."""
        lines = ["v0 = x"]
        for number, step in enumerate(self.steps, 1):
            lines += step.lines(number)
        last = ", ".join(f"v{i}" for i in range(max(0, len(self.steps) - RETURNED + 1), len(self.steps) + 1))
        lines.append(f"return np.concatenate([np.ravel(v) for v in ({last},)])")
        return "\n".join(["def f(x):", *(f"    {line}" for line in lines)]) + "\n"

    def function(self):
        """The function f itself."""
        namespace = dict(NAMES)
        exec(_compiled(self.source()), namespace)
        return namespace["f"]

    def point(self):
        """A fresh copy of the point, which f may write."""
        return np.array(self.x) if isinstance(self.x, np.ndarray) else self.x

    def written(self, expressions):
        """A complete program that prints expressions."""
        imports = "import numpy as np\nimport scipy.special as sp\nimport dualdiff as dd\nfrom dualdiff import *\n"
        imports += "from dualdiff import scipy as ds\n"
        point = repr(self.x) if not isinstance(self.x, np.ndarray) else f"np.{self.x!r}"
        prints = "".join(f"print({e})\n" for e in expressions)
        return f"{imports}\n{self.source()}\nx = {point}\n{prints}"


@functools.lru_cache(maxsize=4096)
def _compiled(source):
    return compile(source, "<program>", "exec")


def outcome(program):
    """The result on plain values; None if the program fails there, or its values are not moderate floats."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            y = program.function()(program.point())
    except Exception:
        return None
    if y.dtype.kind != "f" or y.size > MOST or not y.size or not np.all(np.abs(y) < LARGEST):
        return None
    return y


def draw(rng, most=6):
    """A program with up to so many steps."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    x = rng.normal(size=shape)
    program = Program((), float(x) if shape == () else x)
    for _ in range(rng.integers(1, most + 1)):
        for _ in range(12):
            known = len(program.steps) + 1
            # The latest variable more often than others.
            reads = tuple(int(known - 1 if rng.random() < 0.5 else rng.integers(known)) for _ in range(2))
            step = Step(
                STEPS[rng.integers(len(STEPS))], reads, CONSTANTS[rng.integers(len(CONSTANTS))], int(rng.integers(1, 4))
            )
            longer = replace(program, steps=(*program.steps, step))
            if outcome(longer) is not None:
                program = longer
                break
    return program


def smaller(program):
    """Programs with a step less, or simpler numbers."""
    for k in range(len(program.steps) - 1, -1, -1):
        for stand_in in dict.fromkeys((*program.steps[k].reads, 0)):
            # The variable of the step that is left out is replaced by one that it reads.
            new = lambda i, k=k, stand_in=stand_in: stand_in if i == k + 1 else i - (i > k + 1)
            steps = [replace(s, reads=tuple(map(new, s.reads))) for s in program.steps]
            yield replace(program, steps=(*steps[:k], *steps[k + 1 :]))
    for k, step in enumerate(program.steps):
        for reads in dict.fromkeys([(step.reads[0],) * 2, (0, step.reads[1]), (step.reads[0], 0), (0, 0)]):
            if sum(reads) < sum(step.reads):
                yield replace(program, steps=(*program.steps[:k], replace(step, reads=reads), *program.steps[k + 1 :]))
    for digits in 0, 1:
        x = np.round(program.x, digits) + 0.0
        if not np.array_equal(x, program.x):
            yield replace(program, x=x if isinstance(program.x, np.ndarray) else float(x))


def shrunk(program, fails):
    """The smallest program found that still fails."""
    while True:
        for candidate in smaller(program):
            if outcome(candidate) is not None and fails(candidate):
                program = candidate
                break
        else:
            return program
