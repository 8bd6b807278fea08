"""What hatchling runs before it builds.

With ``DUALDIFF_COMPILE=1`` the scalar core is compiled by mypyc; without that variable the package is pure Python, and
needs neither a C compiler nor the packages named here.  With ``GITHUB_REPOSITORY``, as in the workflow of a release,
the README in the metadata shows its figures and finds its pages wherever it is read.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

NEEDED = ["mypy==2.4.*", "numpy>=2.0", "setuptools"]
# Without a core that was compiled here earlier.
WRITER = """
import sys
sys.modules["dualdiff.base.scalars"] = None
from dualdiff.rules.python.scalar_module import source
print(source(), end="")
"""
FOLDER = Path("dualdiff", "base")


class Readme(MetadataHookInterface):
    """The README, with absolute addresses where the repository is known."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        repository = os.environ.get("GITHUB_REPOSITORY")
        if repository:
            text = with_absolute_addresses(text, f"https://github.com/{repository}", f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_absolute_addresses(text: str, repository: str, tag: str) -> str:
    """A page of the top folder, with addresses in a repository for the figures and links that are relative."""
    text = re.sub(r'(<img src=")(?!\w+:)', rf"\1{repository}/raw/{tag}/", text)
    return re.sub(r"(\]\()(?!\w+:|#)", rf"\1{repository}/blob/{tag}/", text)


class CompiledCore(BuildHookInterface[Any]):
    """Adds the compiled scalar core to a wheel, or to the source folder that an editable installation uses."""

    @property
    def _is_wanted(self) -> bool:
        return os.environ.get("DUALDIFF_COMPILE", "0") not in ("", "0") and self.target_name == "wheel"

    def dependencies(self) -> list[str]:
        return NEEDED if self._is_wanted else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version == "editable":
            # One that an earlier installation left may be of an older table.
            for stale in (root / FOLDER).glob("scalars*"):
                stale.unlink()
        if not self._is_wanted:
            return
        self._folder = tempfile.TemporaryDirectory()
        modules = compiled(root, root / FOLDER if version == "editable" else Path(self._folder.name))
        if version != "editable":
            build_data["force_include"] |= {str(module): str(FOLDER / module.name) for module in modules}
            build_data["pure_python"], build_data["infer_tag"] = False, True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            self._folder.cleanup()


def compiled(root: Path, folder: Path) -> list[Path]:
    """Write the module from the table, compile it, and put the files into a folder."""
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    written = subprocess.run([sys.executable, "-c", WRITER], cwd=root, capture_output=True, text=True)
    if written.returncode:
        raise RuntimeError(f"the source of the compiled core could not be written:\n{written.stderr}")
    with tempfile.TemporaryDirectory() as work:
        package = Path(work) / FOLDER
        package.mkdir(parents=True)
        for parent in package, package.parent:
            (parent / "__init__.py").touch()
        (package / "scalars.py").write_text(written.stdout, encoding="utf-8")
        here = Path.cwd()
        os.chdir(work)
        try:
            extensions = mypycify([str(FOLDER / "scalars.py")], opt_level="3", debug_level="0")
            for extension in extensions:
                # Fused operations would round differently from Python's.
                extension.extra_compile_args += (
                    [] if sys.platform == "win32" else ["-ffp-contract=off", "-fno-semantic-interposition"]
                )
            command = build_ext(Distribution({"ext_modules": extensions}))
            command.build_lib, command.build_temp = str(Path(work) / "lib"), str(Path(work) / "temp")
            command.ensure_finalized()
            command.run()
        finally:
            os.chdir(here)
        modules = (Path(work) / "lib" / FOLDER).iterdir()
        return [Path(shutil.move(module, folder / module.name)) for module in modules]
