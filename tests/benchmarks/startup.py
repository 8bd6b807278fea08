"""What an import takes beyond `import numpy`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from functools import partial

from .harness import Call, Peer, Work

_BYTECODE = tempfile.TemporaryDirectory()

PROGRAM = """
import time, numpy
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""


def import_of(module: str) -> Call:
    """Seconds that the import takes in a fresh interpreter, as that interpreter measures them."""
    if importlib.util.find_spec(module) is None:
        raise ImportError(module)
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    # An installed package has its bytecode beside it: so must this one, whatever the environment says.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = _BYTECODE.name

    def seconds() -> float:
        return float(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)

    seconds()  # the first import writes bytecode and warms the disk cache
    return seconds


PEERS = ["autograd", "dualpy", "num_dual", "jax"]

WORKS = [
    Work(
        "import, beyond `import numpy`",
        partial(import_of, "dualdiff"),
        [Peer(name, partial(import_of, name), read=None) for name in PEERS],
        at_most_seconds=0.040,
        self_timed=True,
        rounds=15,
    )
]
