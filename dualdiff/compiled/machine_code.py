"""Machine code only for what Python calls; the rest is optimized where it is compiled in.

Numba optimizes each function on its own and generates its machine code, which stays in memory for good, even if the
function is only called by compiled code, into which it is linked and optimized again.  A derivative calls dozens of
such functions, and this took most of the time of its first call.  What is compiled for no derivative stays as it is.
"""

from __future__ import annotations

import threading
import weakref
from functools import wraps
from typing import Any

from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary, JITCPUCodegen, RuntimeLinker
from numba.core.dispatcher import _FunctionCompiler

from dualdiff.compiled.caching import DRIVER
from dualdiff.compiled.patches import change_options, relies_on
from dualdiff.compiled.types import dual_in

_CODEGEN = "numba.core.codegen"


class _Compiling(threading.local):
    """How many functions of duals, and drivers of them, are being compiled in this thread, each for the one before."""

    depth = 0


_compiling = _Compiling()
#: The environments of functions that are not yet machine code, by the names of their global variables.
_environments: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()


@relies_on("numba.core.dispatcher._FunctionCompiler._compile_core(self, args, return_type)")
def tell_derivatives() -> None:
    """Numba compiles callees within their callers, so that the outermost says what they are for."""
    compile_core = _FunctionCompiler._compile_core

    @wraps(compile_core)
    def telling(self: Any, args: Any, return_type: Any) -> Any:
        if not (self.py_func.__name__.startswith(DRIVER) or any(dual_in(t) is not None for t in args)):
            return compile_core(self, args, return_type)
        _compiling.depth += 1
        try:
            return compile_core(self, args, return_type)
        finally:
            _compiling.depth -= 1

    _FunctionCompiler._compile_core = telling


@relies_on(
    f"{_CODEGEN}.CPUCodeLibrary._optimize_final_module(self)",
    f"{_CODEGEN}.CPUCodeLibrary._finalize_final_module(self)",
    f"{_CODEGEN}.CPUCodeLibrary.has_dynamic_globals",
    f"{_CODEGEN}.CPUCodeLibrary._verify_declare_only_symbols(self)",
    f"{_CODEGEN}.CPUCodeLibrary._get_compiled_object(self)",
    f"{_CODEGEN}.CPUCodeLibrary._sentry_cache_disable_inspection(self)",
    f"{_CODEGEN}.CPUCodeLibrary.add_linking_library(self, library)",
    f"{_CODEGEN}.JITCodeLibrary.get_pointer_to_function(self, name)",
    f"{_CODEGEN}.RuntimeLinker.PREFIX",
)
def generate_late() -> None:
    """Numba generates machine code when it has compiled a function; here, when an address in it is asked for."""
    optimize, finalize = CPUCodeLibrary._optimize_final_module, CPUCodeLibrary._finalize_final_module
    dynamic_globals = CPUCodeLibrary.has_dynamic_globals
    compiled_object, pointer = CPUCodeLibrary._get_compiled_object, JITCodeLibrary.get_pointer_to_function
    inspection = CPUCodeLibrary._sentry_cache_disable_inspection

    def complete(self: Any) -> None:
        if vars(self).pop("_dualdiff_is_late", False):
            self._finalized = False
            optimize(self)
            self._final_module.verify()
            finalize(self)

    def may_be_late(self: Any) -> bool:
        if not _compiling.depth:
            return False
        # Nothing is linked into Numba's runtime, which all others need.  Calls of a function that is still being
        # compiled are addresses, which are set when its machine code is there.
        names = [variable.name for variable in self._final_module.global_variables]
        is_recursive = any(name.startswith(RuntimeLinker.PREFIX) for name in names)
        return type(self) is JITCodeLibrary and bool(self._linking_libraries) and not is_recursive

    @wraps(optimize)
    def optimize_late(self: Any) -> None:
        if may_be_late(self):
            self._dualdiff_is_late = True
        else:
            optimize(self)

    @wraps(finalize)
    def finalize_late(self: Any) -> None:
        if hasattr(self, "_dualdiff_is_late"):
            self._verify_declare_only_symbols()
            self._finalized = True
        else:
            finalize(self)

    @wraps(pointer)
    def pointer_late(self: Any, name: str) -> Any:
        self._ensure_finalized()
        if hasattr(self, "_dualdiff_is_late"):
            if name not in {f.name for f in self._final_module.functions if not f.is_declaration}:
                return 0
            complete(self)
        return pointer(self, name)

    @wraps(compiled_object)
    def compiled_object_late(self: Any) -> Any:
        complete(self)
        return compiled_object(self)

    @wraps(inspection)
    def inspection_late(self: Any) -> None:
        complete(self)
        inspection(self)

    def has_dynamic_globals(self: Any) -> bool:
        # The optimizer removes addresses that are not used.
        complete(self)
        return bool(dynamic_globals.fget(self))

    CPUCodeLibrary.has_dynamic_globals = property(has_dynamic_globals)
    CPUCodeLibrary._optimize_final_module, CPUCodeLibrary._finalize_final_module = optimize_late, finalize_late
    CPUCodeLibrary._sentry_cache_disable_inspection = inspection_late
    CPUCodeLibrary._get_compiled_object, JITCodeLibrary.get_pointer_to_function = compiled_object_late, pointer_late


@relies_on(
    f"{_CODEGEN}.JITCPUCodegen.set_env(self, env_name, env)",
    f"{_CODEGEN}.JITCodeLibrary._finalize_specific(self)",
    f"{_CODEGEN}.JitEngine.is_symbol_defined(self, name)",
)
def set_environments_late() -> None:
    """Compiled code finds what it needs of Python, as constants to print, by a variable that machine code has."""
    set_env, finalize = JITCPUCodegen.set_env, JITCodeLibrary._finalize_specific

    @wraps(set_env)
    def set_env_late(self: Any, env_name: str, env: Any) -> None:
        if self._engine.is_symbol_defined(env_name):
            set_env(self, env_name, env)
        else:
            _environments[env_name] = env

    @wraps(finalize)
    def finalize_with_environments(self: Any) -> None:
        finalize(self)
        for variable in self._final_module.global_variables if _environments else ():
            env = _environments.pop(variable.name, None)
            if env is not None:
                set_env(self._codegen, variable.name, env)

    JITCPUCodegen.set_env, JITCodeLibrary._finalize_specific = set_env_late, finalize_with_environments


tell_derivatives()
generate_late()
set_environments_late()
# An entry from C is for functions as values; those without an entry from Python are none.
change_options(
    {"no_cfunc_wrapper": True}, lambda options, _: _compiling.depth > 0 and options.get("no_cpython_wrapper", False)
)
