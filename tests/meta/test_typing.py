"""What type checkers know of the operators: run through mypy, in its strict mode."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: Each line of it is right, and says which type it has; those marked with an error are wrong.
PROGRAM = """
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import dualdiff as dd

Vector = NDArray[np.float64]


def height(t: float, g: float = 9.81) -> float:
    return 20.0 - g * t**2 / 2


def loss(x: Vector, scale: float, *, shift: float = 0.0) -> float:
    return float(np.sum(x) * scale + shift)


def field(x: Vector) -> Vector:
    return x**2


@dd.derivative
def speed(t: float, g: float) -> float:
    return g * t


x: Vector = np.ones(3)

# -- the function form has the signature of f
assert_type(dd.derivative(height)(1.0), float)
assert_type(dd.derivative(height)(1.0, g=1.62), float)
assert_type(speed(1.0, 9.81), float)
assert_type(dd.value_and_derivative(height)(1.0), tuple[float, float])
assert_type(dd.nth_derivative(height, n=2)(1.0), float)
assert_type(dd.value_and_gradient(loss)(x, 2.0, shift=1.0)[0], float)
assert_type(dd.value_gradient_and_hessian(loss, mode="reverse")(x, 2.0)[0], float)
assert_type(dd.linearize(field)(x)[0], Vector)
dd.gradient(loss, argnum=(0, 1), chunk_size=4)(x, 2.0)
dd.gradient(loss)(x)  # error: Missing positional argument "scale"
dd.gradient(loss)(x, "2")  # error: Argument 2 to "__call__" of "DerivedFunction" has incompatible type "str"
dd.hessian(loss)(x, 2.0, wrong=1.0)  # error: Unexpected keyword argument "wrong"
speed("now", 9.81)  # error: Argument 1 to "__call__" of "DerivedFunction" has incompatible type "str"

# -- the evaluating form gives what f or x is
assert_type(dd.derivative(height, 1.0), float)
assert_type(dd.derivative(field, x), Vector)
assert_type(dd.derivative(height, 1.0, g=1.62), float)
assert_type(dd.value_and_gradient(loss, x, 2.0, shift=1.0)[0], float)
assert_type(dd.jvp(height, 1.0, 1.0, g=1.62), tuple[float, float])
dd.hessian(loss, x, scale=2.0, shift=1.0)
dd.gradient(loss, x, 2.0, shift="1")  # error: Argument "shift" to "gradient" has incompatible type "str"
assert_type(dd.value_and_derivative(height, 1.0, 1.62), tuple[float, float])
assert_type(dd.nth_derivative(height, 1.0, 2), float)
assert_type(dd.gradient(loss, x, 2.0), Vector)
assert_type(dd.gradient(loss, np.ones(3, np.float32), 2.0), NDArray[np.float32])
assert_type(dd.value_and_gradient(loss, x, 2.0, mode="forward"), tuple[float, Vector])
assert_type(dd.value_and_jacobian(field, x), tuple[Vector, NDArray[Any]])
assert_type(dd.jacobian(field, x, chunk_size=2), NDArray[Any])
assert_type(dd.hessian(loss, x, 2.0), Vector)
assert_type(dd.value_gradient_and_hessian(loss, x, 2.0), tuple[float, Vector, Vector])
assert_type(dd.jvp(field, x, x), tuple[Vector, Vector])
assert_type(dd.hvp(loss, x, x, 2.0), Vector)
assert_type(dd.vjp(field, x)[0], Vector)
dd.vjp(field, x)[1](x)
dd.jacobian(field, x, sparse=True).toarray()
in_x, in_scale = dd.gradient(loss, x, 2.0, argnum=(0, 1))
slope, aux = dd.gradient(lambda x: (np.sum(x), x), x, has_aux=True)
dd.gradient(loss, x, 2.0, chunks=4)  # error: Unexpected keyword argument "chunks" for "gradient"
dd.gradient(loss, x, 2.0, mode="backward")  # error: Unexpected keyword argument "mode" for "gradient"
dd.jvp(field, x)  # error: No overload variant of "jvp"


# -- methods
class Pendulum:
    def energy(self, angle: float, speed: float) -> float:
        return speed**2 / 2 - float(np.cos(angle))

    torque = dd.derivative(energy)


assert_type(Pendulum().torque(0.1, 0.0), float)
Pendulum().torque("0.1", 0.0)  # error: Argument 1 to "__call__" of "DerivedFunction" has incompatible type "str"
"""


def test_types_of_the_operators(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path), "--no-pretty"]
    result = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(program)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=600,
    )
    lines = PROGRAM.splitlines()
    expected = {n: line.split("# error: ")[1] for n, line in enumerate(lines, 1) if "# error: " in line}
    found = {}
    for line in result.stdout.splitlines():
        place, _, message = line.partition(": error: ")
        if message:
            found[int(place.rsplit(":", 1)[1])] = message
    assert expected, result.stdout
    assert found.keys() == expected.keys(), result.stdout + result.stderr
    for n, message in expected.items():
        assert found[n].startswith(message), f"line {n}: {found[n]}"
