"""All uses of private parts of Numba: what is imported, replaced, and read off error texts.

The documented interface (`numba.extending`, `numba.core.types`, `numba.core.errors`, `numba.core.cgutils`) is used
wherever it is needed.  Everything that may change without notice between releases stands here, and each entry of
`RELIANCES` gives the reason, the parts of Numba with their signatures, and the versions in which they were seen.
``tests/compiled/test_patches.py`` compares all of them with the installed Numba.  Nothing here knows what a dual is.
"""

from __future__ import annotations

import copy
import inspect
import re
import weakref
from collections.abc import Callable, Iterable
from functools import wraps
from types import SimpleNamespace
from typing import Any

from numba.core import boxing, event, ir, pythonapi, registry, typed_passes, types
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.dispatcher import Dispatcher, OmittedArg, _FunctionCompiler
from numba.core.errors import NumbaError
from numba.core.imputils import impl_ret_borrowed, lower_constant
from numba.core.inline_closurecall import RewriteArrayOfConsts
from numba.core.typeconv import Conversion
from numba.core.typing import npydecl, signature
from numba.core.typing.arraydecl import ArrayAttribute
from numba.core.typing.templates import AbstractTemplate, builtin_registry, infer_global
from numba.cpython.printimpl import print_item_impl_Any
from numba.extending import typeof_impl
from numba.np import arraymath, arrayobj, linalg, npyimpl
from numba.np.arrayobj import make_array
from numba.np.ufunc.dufunc import DUFunc
from numba.np.ufunc.gufunc import GUFunc

from dualdiff.base.internals import Reliance, recorder, steps

__all__ = [
    "AbstractTemplate",
    "Conversion",
    "DUFunc",
    "Dispatcher",
    "FunctionCache",
    "GUFunc",
    "impl_ret_borrowed",
    "infer_global",
    "ir",
    "lower_constant",
    "make_array",
    "print_item_impl_Any",
    "signature",
]

SEEN = ("0.68.0", "0.68.1")
Predicate = Callable[[Any], bool]


#: By the names of this file.
RELIANCES: dict[str, Reliance] = {}
relies_on = recorder(RELIANCES, SEEN)


# -- imported as they are ----------------------------------------------------------------------------------------------
_TEMPLATES = "numba.core.typing.templates"
for _name, _part, _reason in (
    ("Dispatcher", "numba.core.dispatcher.Dispatcher", "engines are chosen by class; numba.extending has a test alone"),
    (
        "ir",
        "numba.core.ir",
        "the code of a function in which types are inferred",
    ),
    ("DUFunc", "numba.np.ufunc.dufunc.DUFunc", "functions of vectorize are known by their class"),
    ("GUFunc", "numba.np.ufunc.gufunc.GUFunc", "functions of guvectorize are known by their class"),
    ("FunctionCache", "numba.core.caching.FunctionCache", "its instances mark functions with cache=True"),
    ("lower_constant", "numba.core.imputils.lower_constant", "duals and functions as constants of compiled code"),
    (
        "impl_ret_borrowed",
        "numba.core.imputils.impl_ret_borrowed(ctx, builder, retty, ret)",
        "an intrinsic that returns its argument must count a reference",
    ),
    ("Conversion", "numba.core.typeconv.Conversion.safe", "the rank of a conversion, for overload resolution"),
    ("signature", "numba.core.typing.signature(return_type, *args, **kws)", "the result of a template"),
    ("AbstractTemplate", f"{_TEMPLATES}.AbstractTemplate", "typing of a function by the types of its arguments"),
    (
        "infer_global",
        f"{_TEMPLATES}.infer_global(val=None, typ=None, **kwargs)",
        "a template for a function that Numba knows; overload would not be asked before Numba's own",
    ),
    (
        "print_item_impl_Any",
        "numba.cpython.printimpl.print_item_impl_Any(context, builder, sig, args)",
        "duals are printed as their values",
    ),
    ("make_array", "numba.np.arrayobj.make_array(array_type)", "views of arrays with other elements"),
):
    RELIANCES[_name] = Reliance(_reason, (_part,), SEEN)


# -- types and constants -----------------------------------------------------------------------------------------------
@relies_on("numba.core.types.Type._is_internal")
def mark_as_internal(kind: type) -> None:
    """Numba fuses an array expression into one loop only if all of its types are marked as its own."""
    kind._is_internal = True  # type: ignore[attr-defined]


@relies_on("numba.core.typing.typeof.typeof_impl(val, c)")
def typeof_first(kinds: Iterable[type], is_ours: Predicate, typeof_ours: Callable[[Any], Any]) -> None:
    """Numba dispatches on ``__class__``, which for a dual is the class of its value: ask for duals first."""

    def wrapped(typeof: Any) -> Any:
        return lambda x, c: typeof_ours(x) if is_ours(x) else typeof(x, c)

    for kind in kinds:
        typeof_impl.register(kind, wrapped(typeof_impl.dispatch(kind)))


@relies_on("numba.core.pythonapi._boxers.functions", "numba.core.boxing.box_array(typ, val, c)")
def refuse_boxing_of_arrays(is_refused: Predicate, message: str) -> None:
    """Numba compiles an entry from Python even for functions that only compiled code calls.

    For arrays whose elements have no dtype in NumPy, boxing would not compile; instead it raises when the code runs.
    """
    functions = pythonapi._boxers.functions
    box_array = functions[types.Array]
    assert box_array is boxing.box_array

    def box(t: Any, value: Any, c: Any) -> Any:
        if not is_refused(t.dtype):
            return box_array(t, value, c)
        c.context.nrt.decref(c.builder, t, value)
        c.pyapi.err_set_string("PyExc_TypeError", message)
        return c.pyapi.get_null_object()

    functions[types.Array] = box


# -- templates and overloads -------------------------------------------------------------------------------------------
@relies_on(f"{_TEMPLATES}.AbstractTemplate.get_impl_key(self, sig)", "numba.core.types.Function")
def add_template(key: Any, template: Any) -> None:
    """Add a template to a function; its implementations are registered under the template itself.

    Under the function they would compete with Numba's own, which accept any type.
    """
    template.key = key
    template.get_impl_key = lambda self, sig: template
    infer_global(key, types.Function(template))


@relies_on("numba.core.registry.cpu_target.typing_context")
def typing_context() -> Any:
    """The typing context, which overloads are not passed: `unify_types` is a method of it."""
    return registry.cpu_target.typing_context


@relies_on(f"{_TEMPLATES}.builtin_registry.globals", "numba.core.types.Function.templates")
def wrap_overloads(function: Any, wrap: Callable[[Any], Any]) -> None:
    """Numba asks its own overloads first, and many of them crash for duals or answer with the name of their type."""
    for f, t in builtin_registry.globals:
        for template in getattr(t, "templates", ()) if f is function else ():
            if hasattr(template, "_overload_func"):
                template._overload_func = staticmethod(wrap(template._overload_func))


@relies_on(f"{_TEMPLATES}.builtin_registry.globals", "numba.core.types.Function.templates")
def overload_of(function: Any) -> Any:
    """Numba's only overload of a function: an overload that replaces it needs the same parameters."""
    (template,) = (template for f, t in builtin_registry.globals if f is function for template in t.templates)
    return template._overload_func


@relies_on(f"{_TEMPLATES}.builtin_registry.attributes")
def declaration(method: str) -> Any:
    """The function by which Numba declares a method of arrays, the only one to overload for it."""
    for template in builtin_registry.attributes:
        if template.key is types.Array and getattr(template, "_attr", None) == method:
            return template._overload_func
    raise LookupError(f"Numba declares no method {method} of arrays")


#: Importing these modules makes the declarations that are extended.
DECLARATIONS = (arraymath, arrayobj, linalg)


# -- attributes of arrays ----------------------------------------------------------------------------------------------
_ATTRIBUTES = "numba.core.typing.arraydecl.ArrayAttribute"


@relies_on(*(f"{_ATTRIBUTES}.resolve_{name}" for name in ("nbytes", "itemsize", "strides", "ctypes", "view")))
def refuse_array_attribute(name: str, is_refused: Predicate, error: Callable[[str], Exception]) -> None:
    """Numba resolves attributes of arrays by itself before it asks overloads of attributes."""
    method = f"resolve_{name}"
    resolve = getattr(ArrayAttribute, method)

    def resolve_or_refuse(self: Any, a: Any) -> Any:
        if is_refused(a):
            raise error(name)
        return resolve(self, a)

    setattr(ArrayAttribute, method, resolve_or_refuse)


@relies_on(f"{_ATTRIBUTES}._resolve_real_imag(self, ary, attr)")
def refuse_real_and_imag(is_refused: Predicate, error: Callable[[str], Exception]) -> None:
    """The real and imaginary parts of an array are views for Numba, and those of duals would need copies."""
    resolve = ArrayAttribute._resolve_real_imag

    def resolve_or_refuse(self: Any, ary: Any, attr: str) -> Any:
        if is_refused(ary):
            raise error(attr)
        return resolve(self, ary, attr)

    ArrayAttribute._resolve_real_imag = resolve_or_refuse


@relies_on(_ATTRIBUTES, f"{_TEMPLATES}.builtin_registry.attributes")
def attributes_and_methods() -> tuple[set[str], set[str]]:
    """The names that Numba resolves for arrays, to notice new ones that nobody has examined with duals."""
    attributes = {name.removeprefix("resolve_") for name in dir(ArrayAttribute) if name.startswith("resolve_")}
    methods = {t._attr for t in builtin_registry.attributes if t.key is types.Array and hasattr(t, "_attr")}
    return attributes, methods


@relies_on("numba.core.typing.context.BaseContext.refresh(self)", "numba.core.typing.context.BaseContext._globals")
def global_functions() -> list[Any]:
    """The global functions that Numba types, to notice new ones that have not been examined with duals."""
    context = typing_context()
    context.refresh()
    return [key() if isinstance(key, weakref.ref) else key for key in list(context._globals)]


# -- loops over arrays -------------------------------------------------------------------------------------------------
@relies_on(
    "numba.np.npyimpl.numpy_ufunc_kernel(context, builder, sig, args, ufunc, kernel_class)",
    "numba.np.npyimpl._Kernel(context, builder, outer_sig)",
    "numba.np.npyimpl._Kernel.cast(self, val, fromty, toty)",
    "numba.np.npyimpl._Kernel.generate(self, *args)",
)
def loop_over_arrays(
    context: Any, builder: Any, compute: Callable[..., tuple[Any, Any]], sig: Any, args: Any, inputs: int
) -> Any:
    """Numba's loop over arrays with broadcasting, with other code for an element; vectorize takes no other types.

    ``compute`` takes (type, value) of the elements and returns those of the result.  An argument after the inputs is
    the output array.
    """

    class Kernel(npyimpl._Kernel):  # type: ignore[misc]
        def generate(self, *scalars: Any) -> Any:
            kind, entry = compute(*zip(self.outer_sig.args, scalars, strict=True))
            return self.cast(entry, kind, self.outer_sig.return_type)

    ufunc = SimpleNamespace(nin=inputs, nout=1, nargs=inputs + 1, __name__="dual")
    return npyimpl.numpy_ufunc_kernel(context, builder, sig, args, ufunc, Kernel)


@relies_on(
    "numba.np.npyimpl._prepare_argument(ctxt, bld, inp, tyinp, where='input operand')",
    "numba.np.npyimpl._ScalarHelper(ctxt, bld, val, ty)",
)
def accept_scalars_in_loops(is_scalar: Predicate) -> None:
    """Numba's loops over arrays accept only its own scalar types beside the arrays, and have no hook for others."""
    prepare = npyimpl._prepare_argument

    def prepare_argument(ctxt: Any, bld: Any, inp: Any, tyinp: Any, where: str = "input operand") -> Any:
        if is_scalar(tyinp):
            return npyimpl._ScalarHelper(ctxt, bld, inp, tyinp)
        return prepare(ctxt, bld, inp, tyinp, where)

    npyimpl._prepare_argument = prepare_argument


@relies_on("numba.core.typing.npydecl.NumpyRulesInplaceArrayOperator.generic(self, args, kws)")
def decline_in_place(is_declined: Predicate) -> None:
    """Numba's rule for operators in place crashes for elements that it does not know, instead of declining."""
    rule = npydecl.NumpyRulesInplaceArrayOperator
    generic = rule.generic

    def generic_or_none(self: Any, args: Any, kws: Any) -> Any:
        return None if any(map(is_declined, args)) else generic(self, args, kws)

    rule.generic = generic_or_none


@relies_on("numba.core.inline_closurecall.RewriteArrayOfConsts.match(self, func_ir, block, typemap, calltypes)")
def spare_literal_lists(is_spared: Predicate) -> None:
    """Numba writes a literal list directly into an array, whose dtype it looks up in NumPy by name."""
    match = RewriteArrayOfConsts.match

    def match_or_spare(self: Any, func_ir: Any, block: Any, typemap: Any, calltypes: Any) -> Any:
        if any(isinstance(t, types.List) and is_spared(t.dtype) for t in typemap.values()):
            return False
        return match(self, func_ir, block, typemap, calltypes)

    RewriteArrayOfConsts.match = match_or_spare


# -- type inference ----------------------------------------------------------------------------------------------------
@relies_on(
    "numba.core.typed_passes.type_inference_stage(typingctx, targetctx, interp, args, return_type, locals=None, "
    "raise_errors=True)",
    "numba.core.ir.Scope.redefine(self, name, loc, rename=True)",
)
def repeat_inference(infer: Callable[..., Any]) -> None:
    """Numba infers types once, and has no hook where a type turns out to be another one than it seemed at first.

    ``infer`` is called in place of the stage, which is its first argument.
    """
    stage = typed_passes.type_inference_stage

    @wraps(stage)
    def inferred(
        typingctx: Any,
        targetctx: Any,
        interp: Any,
        args: Any,
        return_type: Any,
        locals: Any = None,
        raise_errors: bool = True,
    ) -> Any:
        return infer(stage, typingctx, targetctx, interp, args, return_type, locals, raise_errors)

    typed_passes.type_inference_stage = inferred


# -- compiled functions ------------------------------------------------------------------------------------------------
@relies_on(
    "numba.core.dispatcher.Dispatcher.compile(self, sig)",
    "numba.core.dispatcher.Dispatcher._compile_for_args(self, *args, **kws)",
)
def answer_calls(is_ours: Predicate, answer: Callable[[Any], Callable[..., Any]]) -> None:
    """A call with types that nothing is compiled for ends in ``compile``, and what that returns is called.

    The entry from Python has no other hook, and calls with other types do not come here.
    """
    compile_ = Dispatcher.compile

    @wraps(compile_)
    def compile_or_answer(self: Any, sig: Any) -> Any:
        return answer(self) if type(sig) is tuple and any(map(is_ours, sig)) else compile_(self, sig)

    Dispatcher.compile = compile_or_answer


@relies_on(
    "numba.np.ufunc.gufunc.GUFunc.__call__(self, *args, **kwargs)",
    "numba.np.ufunc.gufunc.GUFunc.expected_ndims(self)",
    "numba.np.ufunc.gufunc.GUFunc.is_dynamic",
)
def answer_gufuncs(is_ours: Predicate, answer: Callable[[Any, Any, Any], Any]) -> None:
    """A function of ``guvectorize`` without given signatures compiles for the types of its arguments before a call."""
    call = GUFunc.__call__

    @wraps(call)
    def call_or_answer(self: Any, *args: Any, **kwargs: Any) -> Any:
        ours = any(map(is_ours, args)) or (kwargs and any(map(is_ours, kwargs.values())))
        return answer(self, args, kwargs) if ours else call(self, *args, **kwargs)

    GUFunc.__call__ = call_or_answer


@relies_on("numba.core.dispatcher.Dispatcher._explain_matching_error(self, *args, **kws)")
def explain_mismatches(explain: Callable[..., Exception | None]) -> None:
    """Numba lists signatures where a function that was compiled for given ones is called with other types."""
    explain_error = Dispatcher._explain_matching_error

    @wraps(explain_error)
    def explain_ours(self: Any, *args: Any, **kws: Any) -> Any:
        error = explain(self, args)
        if error is not None:
            raise error
        return explain_error(self, *args, **kws)

    Dispatcher._explain_matching_error = explain_ours


@relies_on("numba.core.dispatcher.OmittedArg", "numba.core.dispatcher.Dispatcher._fold_args")
def given(dispatcher: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a call as it was written, defaults included, from those that Numba has folded."""
    args = tuple([a.value if type(a) is OmittedArg else a for a in args])
    has_rest = dispatcher.__code__.co_flags & inspect.CO_VARARGS
    return (*args[:-1], *args[-1]) if has_rest else args


@relies_on("numba.core.dispatcher.Dispatcher.recompile(self)")
def before_recompiling(forget: Callable[[Any], None]) -> None:
    """What is compiled for a function embeds its code, and Numba does not tell when that changes."""
    recompile = Dispatcher.recompile

    @wraps(recompile)
    def forget_and_recompile(self: Any) -> None:
        forget(self)
        recompile(self)

    Dispatcher.recompile = forget_and_recompile


class _Compilations(event.Listener):  # type: ignore[misc]
    def __init__(self, note: Callable[[Any, Any], None]) -> None:
        self.note = note

    def on_start(self, event: Any) -> None:
        self.note(event.data["dispatcher"], event.data["args"])

    def on_end(self, event: Any) -> None:
        pass


@relies_on("numba.core.event.register(kind, listener)", "numba.core.dispatcher.Dispatcher.compile(self, sig)")
def before_compiling(note: Callable[[Any, Any], None]) -> None:
    """Numba freezes what a function uses at each compilation; ``note`` takes the function and the argument types."""
    event.register("numba:compile", _Compilations(note))


@relies_on(
    f"{_TEMPLATES}.builtin_registry.globals", f"{_TEMPLATES}._OverloadFunctionTemplate._get_impl(self, args, kws)"
)
def forget_overloads(function: Any, dispatcher: Any) -> None:
    """Numba keeps the implementation that an overload chose for a function when that is recompiled."""
    for f, t in builtin_registry.globals:
        for template in getattr(t, "templates", ()) if f is function else ():
            cache = template._impl_cache
            for key in [key for key in cache if any(getattr(a, "dispatcher", None) is dispatcher for a in key[1])]:
                del cache[key]


@relies_on("numba.core.dispatcher.Dispatcher._compile_for_args(self, *args, **kws)")
def shorten_errors(shortened: Callable[[Any, tuple[Any, ...], Exception], Exception | None]) -> None:
    """Numba reports all that it has tried, down to functions of this package that the user has never seen.

    ``shortened`` takes the function, the arguments and Numba's error.
    """
    compile_for_args = Dispatcher._compile_for_args

    @wraps(compile_for_args)
    def _compile_for_args(self: Any, *args: Any, **kws: Any) -> Any:
        reason = None
        try:
            return compile_for_args(self, *args, **kws)
        except NumbaError as error:
            reason = shortened(self, args, error)
            if reason is None:
                raise
        raise reason

    Dispatcher._compile_for_args = _compile_for_args


@relies_on("numba.core.dispatcher._FunctionCompiler._compile_core(self, args, return_type)")
def change_options(options: dict[str, Any], applies: Callable[[Any, Any], bool]) -> None:
    """Numba compiles a function with the same options for all types; ``applies`` takes its options and these types."""
    compile_core = _FunctionCompiler._compile_core

    @wraps(compile_core)
    def with_options(self: Any, args: Any, return_type: Any) -> Any:
        if applies(self.targetoptions, args):
            self = copy.copy(self)
            self.targetoptions = self.targetoptions | options
        return compile_core(self, args, return_type)

    _FunctionCompiler._compile_core = with_options


@relies_on("numba.core.dispatcher.Dispatcher.get_call_template(self, args, kws)")
def compiles(dispatcher: Any, kinds: tuple[Any, ...]) -> bool:
    """Whether a function compiles for these types; ``compile`` does not take functions of ``*args``."""
    try:
        dispatcher.get_call_template(kinds, {})
    except Exception:  # of many kinds
        return False
    return True


@relies_on("numba.core.dispatcher.Dispatcher._can_compile")
def takes_more_types(dispatcher: Any) -> bool:
    """Whether a function was compiled without fixed signatures, which leave no room for duals."""
    return bool(dispatcher._can_compile)


@relies_on("numba.np.ufunc.dufunc.DUFunc._dispatcher")
def python_function(ufunc: Any) -> Any:
    """The function that ``numba.vectorize`` made a ufunc of; the ufunc itself shows only its name."""
    return ufunc._dispatcher.py_func


@relies_on("numba.np.ufunc.ufuncbuilder.GUFuncBuilder._sigs")
def declared_types(gufunc: Any) -> tuple[Any, ...]:
    """The types of the first signature that ``numba.guvectorize`` was given: they tell scalars from arrays of one."""
    declared = gufunc.gufunc_builder._sigs
    return tuple(declared[0].args) if declared and hasattr(declared[0], "args") else ()


@relies_on("numba.core.ir.FunctionIR._definitions")
def definitions_of(code: Any) -> Any:
    """The table of definitions of an intermediate code, which follows its statements when these change."""
    return code._definitions


# -- the cache on disk -------------------------------------------------------------------------------------------------
@relies_on(
    "numba.core.caching.FunctionCache(py_func)",
    "numba.core.caching.FunctionCache.enable(self)",
    "numba.core.caching.FunctionCache._index_key(self, sig, codegen)",
    "numba.core.caching.FunctionCache._save_overload(self, sig, data)",
    "numba.core.caching.IndexDataCacheFile(cache_path, filename_base, source_stamp)",
    "numba.core.caching.CompileResultCacheImpl.filename_base",
    "numba.core.caching.CompileResultCacheImpl.locator",
)
class CacheBeside(FunctionCache):  # type: ignore[misc]
    """The cache of a function generated for another one: Numba's own needs a file with the source of the function."""

    def __init__(self, py_func: Any, place: str, other: Any, version: str, digest: Callable[[Any], str]) -> None:
        self._name, self._py_func, self._other, self._digest = repr(py_func), py_func, other, digest
        self._impl = copy.copy(other._impl)
        self._impl._filename_base = f"{other._impl.filename_base}-dualdiff_{place}"
        self._cache_path = other.cache_path
        stamp = other._impl.locator.get_source_stamp(), version
        self._cache_file = IndexDataCacheFile(self._cache_path, self._impl.filename_base, stamp)
        self.enable()

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return self._digest(self._py_func), self._other._index_key(sig, codegen)

    def _save_overload(self, sig: Any, data: Any) -> None:
        # What cannot be cached is compiled again, without the warning that the user's own functions give.
        if not (data.lifted or data.library.has_dynamic_globals):
            super()._save_overload(sig, data)


@relies_on("numba.core.dispatcher.Dispatcher.enable_caching(self)", "numba.core.caching.FunctionCache")
def cache_beside(driver: Any, f: Any, place: str, version: str, digest: Callable[[Any], str]) -> None:
    """Cache a generated function on disk if f is: ``cache=True`` would need a file with its source."""
    if isinstance(f._cache, FunctionCache):
        driver._cache = CacheBeside(driver.py_func, place, f._cache, version, digest)


@relies_on("numba.core.caching.FunctionCache._index_key(self, sig, codegen)")
def extend_cache_keys(extra: Callable[[Any, Any], tuple[Any, ...]]) -> None:
    """The functions that a function calls are not part of Numba's key.

    That is kept, except where derivatives are compiled in: f for duals must be of the same f as the drivers that call
    it.  ``extra`` takes the function and the signature.
    """
    index_key = FunctionCache._index_key

    def extended(self: Any, sig: Any, codegen: Any) -> Any:
        key, more = index_key(self, sig, codegen), extra(self._py_func, sig)
        return (key, *more) if more else key

    FunctionCache._index_key = extended


# -- errors ------------------------------------------------------------------------------------------------------------
@relies_on("numba.core.dispatcher.Dispatcher._compile_for_args(self, *args, **kws)")
def is_of_compiler(error: BaseException) -> bool:
    """Whether an error comes from compilation: Numba raises errors of many kinds, which f may raise as well."""
    return any(frame.f_code.co_name == "_compile_for_args" for frame, _ in steps(error))


@relies_on("numba.core.types.Set")
def is_of_a_set(error: BaseException) -> bool:
    """Whether Numba refused to build the type of a set, which it does without a message."""
    frames = [frame for frame, _ in steps(error)]
    return bool(frames) and isinstance(frames[-1].f_locals.get("self"), types.Set)


def _text(name: str, reason: str, pattern: str, flags: int = 0) -> re.Pattern[str]:
    RELIANCES[name] = Reliance(reason, (), SEEN)
    return re.compile(pattern, flags)


MARKED = _text("MARKED", "the message of an error raised while typing, kept in Numba's", r"<<(\w+): (.*?)>>", re.DOTALL)
CALL = _text("CALL", "the calls in the code of f for which Numba has no implementation", r">>> (.+)")
INTERNAL = _text(
    "INTERNAL",
    "the calls of dualdiff's own functions, around those of f",
    r"(\w+_(core|in|of|into|nan|array|values|rank)|_(derivative|gradient|jacobian|hessian|jvp|hvp)"
    r"|seed|direction|shaped|square|mirror)\(",
)
OPERATOR = _text(
    "OPERATOR", "the call of one of dualdiff's operators", r"Function\(<function (\w+) at .+\s+>>> \1\((.+)\)"
)
KEYWORD = _text("KEYWORD", "a keyword that an operator does not take", r"unexpected keyword argument '(\w+)'")
UNKNOWN = _text(
    "UNKNOWN", "a name of dualdiff that compiled code does not know", r"attribute '(\w+)' of type Module\(<.+dualdiff"
)
CAPTURED = _text(
    "CAPTURED", "a function that uses a variable of the function around it", r"Cannot capture .+variable '(\w+)'"
)
PLACE = _text("PLACE", "the lines of f", r"During: (?:typing of .+|lowering .+) at (.+) \((\d+)\)")
STORE = _text(
    "STORE",
    "a dual written into an array of plain scalars",
    r"(setitem|i(add|sub|mul|truediv|floordiv|mod|pow))\((readonly )?array\((float|int|complex|bool)",
)
CONVERSION = _text(
    "CONVERSION", "a dual converted to a plain scalar", r"(float|int|complex|<unknown function>)\((array\()?Dual"
)
LITERAL = _text("LITERAL", "the type of a literal, to be shown shorter", r"Literal\[\w+\]\((.*?)\)")
ARRAY = _text("ARRAY", "the type of an array, to be shown shorter", r"array\((\w+), (\d)d, \w\)")
