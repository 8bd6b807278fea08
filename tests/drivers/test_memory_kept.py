"""Arrays that f and its differentiation free are not paged in again in the next call."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
import dualdiff

def f(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

x = np.linspace(0.5, 1.5, 300_000)
for _ in range(3):
    dualdiff.gradient(f, x)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    dualdiff.gradient(f, x)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have other rules")
def test_large_arrays_are_not_paged_in_at_each_call():
    """An array of 300,000 elements has 586 pages, and a call makes about thirty."""
    faults = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert int(faults) < 586
