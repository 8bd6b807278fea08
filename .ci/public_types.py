"""Fail if the type of a public name is not fully known: ``python .ci/public_types.py``, where dualdiff is installed.

``pyright --verifytypes`` alone also counts everything that only this package uses, for want of underscores.  Classes of
dualdiff.scipy are those of SciPy, which has no types.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys


def main() -> int:
    """Print the public names whose types are unknown or ambiguous; their number."""
    command = ["pyright", "--verifytypes", "dualdiff", "--ignoreexternal", "--outputjson"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    known = {symbol["name"]: symbol for symbol in report["typeCompleteness"]["symbols"]}
    modules = ["dualdiff", "dualdiff.scipy", "dualdiff.teaching", "dualdiff.uncertain"]
    modules += [f"dualdiff.scipy.{name}" for name in importlib.import_module("dualdiff.scipy").__all__]
    names = [f"{module}.{name}" for module in modules for name in importlib.import_module(module).__all__]
    seen = [known[name] for name in names if name in known]
    own = [s for s in seen if s["category"] != "class" or not s["name"].startswith("dualdiff.scipy.")]
    unknown = [symbol for symbol in own if not symbol["isTypeKnown"] or symbol["isTypeAmbiguous"]]
    for symbol in unknown:
        print(symbol["name"], *(d["message"] for d in symbol["diagnostics"]), sep="\n    ")
    print(f"{len(unknown)} of {len(seen)} public names have types that are not fully known")
    return len(unknown)


if __name__ == "__main__":
    sys.exit(main())
