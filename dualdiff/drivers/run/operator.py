"""Operators: their two forms, options, engines, and binding as methods.

``op(f, *args, **options)`` evaluates the derivative; ``op(f, **options)`` returns a `DerivedFunction`, which takes the
arguments later.  An operator is declared by its signature and docstring, and by the function that evaluates it::

    @operator(evaluate, compiled="gradient")
    def gradient(f, *args, **options):
        ...

    @operator(evaluate, with_value, compiled="gradient")
    def value_and_gradient(f, *args, **options):
        ...

Keywords that are no options belong to f, in both forms: ``gradient(f, x, k=2.0)`` is ``gradient(f)(x, k=2.0)``.

``evaluate(name, f, args, **options)`` has the options and their defaults as its keyword parameters, and returns
(value, derivative, aux); an engine for compiled functions has a method of the same form, named by ``compiled``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

import numpy as np

from dualdiff.drivers.run.constants import name_of
from dualdiff.drivers.run.engines import LeftToNumPy, divided_if_compiled, engine_of, refuse_parallel, uncompiled
from dualdiff.drivers.run.inputs import ALONG, no_function, resolve_argnum
from dualdiff.drivers.run.options import checked
from dualdiff.drivers.run.repeated_calls import Kept

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
#: The element type of an array.
F = TypeVar("F", bound=np.inexact[Any])
Declared = TypeVar("Declared", bound=Callable[..., Any])


# -- the result of an operator, from the evaluated (value, derivative, aux) --------------------------------------------
# The Hessian is evaluated as (value, gradient, Hessian, aux).
def derivative_alone(evaluated: Any, has_aux: bool) -> Any:
    """The derivative, or the pair (derivative, aux)."""
    return evaluated[-2:] if has_aux else evaluated[-2]


def with_value(evaluated: Any, has_aux: bool) -> Any:
    """The value, or the pair (value, aux), and the derivatives."""
    value, *derivatives, aux = evaluated
    return (value, aux) if has_aux else value, *derivatives


def all_in_order(evaluated: Any, has_aux: bool) -> Any:
    """The value, the derivative and, with ``has_aux``, aux."""
    return evaluated if has_aux else evaluated[:-1]


# -- the two forms -----------------------------------------------------------------------------------------------------
class Operator:
    """The declaration of an operator: how it is evaluated, and with which options."""

    def __init__(
        self,
        declared: Callable[..., Any],
        evaluate: Callable[..., Any],
        answer: Callable[[Any, bool], Any],
        compiled: str | None,
        one_by_one: bool,
        has_shortcut: bool,
        prepare: dict[str, Callable[[str, Any, bool], Any]],
    ) -> None:
        self.declared, self.name, self.evaluate, self.answer = declared, declared.__name__, evaluate, answer
        self.compiled, self.one_by_one, self.has_shortcut, self.prepare = compiled, one_by_one, has_shortcut, prepare
        self.defaults: dict[str, Any] = evaluate.__kwdefaults__ or {}

    def signature(self) -> inspect.Signature:
        """The signature as declared, with all options."""
        *leading, _ = inspect.signature(self.declared).parameters.values()
        kind = inspect.Parameter.KEYWORD_ONLY
        types = self.evaluate.__annotations__
        options = [
            inspect.Parameter(name, kind, default=default, annotation=types[name])
            for name, default in self.defaults.items()
        ]
        return inspect.Signature([*leading, *options], return_annotation="Any")

    def divided(self, f: Any, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was given by name where f is evaluated: the options of the operator, and the keywords of f."""
        if given.keys() <= self.defaults.keys():
            parameters = plain_parameters(f)
            if parameters is not None and given.keys().isdisjoint(parameters):
                return given, {}
        options = {name: item for name, item in given.items() if name in self.defaults}
        keywords = {name: item for name, item in given.items() if name not in self.defaults}
        self._check_names(f, args, options, keywords)
        return options, keywords

    def _check_names(self, f: Any, args: tuple[Any, ...], options: dict[str, Any], keywords: dict[str, Any]) -> None:
        """Refuse keywords that f does not take, and options that it takes too."""
        try:
            parameters = inspect.signature(uncompiled(f)).parameters
        except (TypeError, ValueError):
            return
        if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            for name in keywords.keys() - parameters.keys():
                raise TypeError(
                    f"{self.name}() got an unexpected keyword argument {name!r}; its options are "
                    f"{', '.join(self.defaults)}. Keywords of f are passed on, and {name_of(f)} "
                    f"does not accept {name!r}"
                )
        # Those that are filled already cannot be meant.
        open_ones = [*parameters][len(args) - (self.name in ALONG) :]
        for name in options:
            # The keywords of ufuncs, such as the memory layout ``order``, say how they compute.
            if name in open_ones and not isinstance(f, np.ufunc):
                raise TypeError(
                    f"{self.name}: {name} is an option of {self.name} and a parameter of {name_of(f)}. Write "
                    f"{self.name}(f)(..., {name}=...) to hand it to f, {self.name}(f, {name}=...)(...) for the option"
                )

    def checked(self, f: Any, options: dict[str, Any], is_lasting: bool) -> dict[str, Any]:
        """The options that differ from their defaults, checked and prepared; ``is_lasting`` for many calls."""
        others = {}
        for option, given in options.items():
            if option not in self.defaults:
                known = ", ".join(self.defaults)
                raise TypeError(
                    f"{self.name}() got an unexpected keyword argument {option!r}; its options are {known}. Pass "
                    f"keyword arguments of f together with its arguments: {self.name}(f)(x, {option}=...)"
                )
            given = checked(self.name, option, given)
            if option in self.prepare:
                given = self.prepare[option](self.name, given, is_lasting)
            if given is not self.defaults[option]:
                others[option] = given
        if not others.keys().isdisjoint(("workers", "progress", "out")):
            divided_if_compiled(self.name, f, others)
        if "parallel" in others and engine_of[type(f)] is None:
            refuse_parallel(self.name)
        return others

    def run_of(self, f: Any, options: dict[str, Any]) -> Callable[..., Any]:
        """The function that evaluates the operator for f, by the engine that f needs."""
        engine = None if self.compiled is None else engine_of[type(f)]
        run = self.evaluate if engine is None else functools.partial(self.run_compiled, engine)
        return functools.partial(_one_by_one, run) if self.one_by_one and "argnum" in options else run

    def run_compiled(self, engine: Any, name: str, f: Any, args: tuple[Any, ...], **options: Any) -> Any:
        """Evaluate the operator for a compiled function."""
        assert self.compiled is not None
        try:
            return getattr(engine, self.compiled)(name, f, args, **options)
        except LeftToNumPy:
            options.pop("parallel", None)
        return self.evaluate(name, f, args, **options)


def in_one_line(given: Any) -> str:
    """The repr of an option; of several lines, the first."""
    return repr(given).partition("\n")[0]


def with_keywords(
    operator: str, f: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """A function that has its keywords, and its arguments."""
    if (engine := engine_of[type(f)]) is not None:
        return f, engine.by_place(operator, f, args, keywords)
    return functools.partial(f, **keywords), args


def plain_parameters(f: Any) -> tuple[str, ...] | None:
    """The names of the parameters of a function written in Python, *args and the like left out; else None."""
    is_bound = type(f) is MethodType
    function = f.__func__ if is_bound else f if type(f) is FunctionType else uncompiled(f)
    if type(function) is not FunctionType or "__wrapped__" in function.__dict__:
        return None
    code = function.__code__
    return code.co_varnames[is_bound : code.co_argcount + code.co_kwonlyargcount]


def _one_by_one(run: Callable[..., Any], name: str, f: Any, args: tuple[Any, ...], **options: Any) -> Any:
    """Evaluate with respect to one argument after the other, if argnum is a tuple."""
    argnum = options.pop("argnum")
    if not isinstance(argnum, tuple):
        return run(name, f, args, argnum=argnum, **options)
    kept = Kept(args)
    each = [kept.call(run, name, f, args, argnum=i, **options) for i in resolve_argnum(name, argnum, len(args))]
    return each[0][0], tuple([derivative for _, derivative, _ in each]), each[0][-1]


def operator(
    evaluate: Callable[..., Any],
    answer: Callable[[Any, bool], Any] = derivative_alone,
    *,
    compiled: str | None = None,
    one_by_one: bool = False,
    shortcut: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None,
    **prepare: Callable[[str, Any, bool], Any],
) -> Callable[[Declared], Declared]:
    """Declare an operator.

    Parameters
    ----------
    evaluate : callable
        ``evaluate(name, f, args, **options)`` returns (value, derivative, aux).
    answer : callable
        Selects the result of the operator from these and ``has_aux``.
    compiled : str, optional
        The method of an engine that evaluates for compiled functions; without it, `evaluate` gets these too.
    one_by_one : bool
        If argnum is a tuple, evaluate for each argument separately.
    shortcut : callable, optional
        Wraps the operator in one with a fast path for calls without options.
    **prepare
        For an option, a function of (name, given, is_lasting) that returns what `evaluate` takes.
    """

    def declare(declared: Declared) -> Declared:
        name = declared.__name__
        made = Operator(declared, evaluate, answer, compiled, one_by_one, shortcut is not None, prepare)

        def general(f: Any, /, *args: Any, **options: Any) -> Any:
            if not args:
                return DerivedFunction(public, f, options)
            if options:
                options, keywords = made.divided(f, args, options)
                options = made.checked(f, options, False)
                if keywords:
                    f, args = with_keywords(name, f, args, keywords)
                return answer(made.run_of(f, options)(name, f, args, **options), "has_aux" in options)
            engine = engine_of[type(f)] if compiled else None
            return answer(
                evaluate(name, f, args) if engine is None else made.run_compiled(engine, name, f, args), False
            )

        public = shortcut(general) if shortcut else general
        functools.update_wrapper(public, declared)
        public.__signature__ = made.signature()  # type: ignore[attr-defined]
        public.operator = made  # type: ignore[attr-defined]
        return public  # type: ignore[return-value]

    return declare


class DerivedFunction(Generic[P, R_co]):
    """The derivative of f as a function: an operator applied to f, without arguments yet.

    It has the signature of f (keyword arguments are passed to f), binds as a method if f does, can be pickled if f can,
    and has a descriptive repr.
    """

    operator: Any
    f: Callable[..., Any]
    options: dict[str, Any]
    __name__: str

    def __init__(self, operator: Any, f: Callable[..., Any], options: dict[str, Any]) -> None:
        declared: Operator = operator.operator
        if not callable(f):
            raise no_function(declared.name, f)
        self.operator, self.f, self.options = operator, f, declared.checked(f, options, True)
        self._declared, self._run = declared, declared.run_of(f, self.options)
        self._shortcut = operator if declared.has_shortcut and not self.options else None
        functools.update_wrapper(self, f, updated=())
        self.__name__ = f"{declared.name}_of_{getattr(f, '__name__', type(f).__name__)}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        declared, f = self._declared, self.f
        if self._shortcut is not None and args and not kwargs:
            return self._shortcut(f, *args)  # type: ignore[no-any-return]
        if not args:
            raise TypeError(f"{self!r} needs the arguments of f, the differentiated one among the positional arguments")
        given: tuple[Any, ...] = args
        if kwargs:
            f, given = with_keywords(declared.name, f, args, kwargs)
        evaluated = self._run(declared.name, f, given, **self.options)
        return declared.answer(evaluated, "has_aux" in self.options)  # type: ignore[no-any-return]

    @overload
    def __get__(self, instance: None, owner: Any = None) -> DerivedFunction[P, R_co]: ...
    @overload
    def __get__(
        self: DerivedFunction[Concatenate[Any, Q], R_co], instance: object, owner: Any = None
    ) -> DerivedFunction[Q, R_co]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """The operator applied to the bound method, so that argnum does not count self."""
        bind = getattr(type(self.f), "__get__", None)
        if instance is None or bind is None:
            return self
        return DerivedFunction(self.operator, bind(self.f, instance, owner), self.options)

    def __reduce__(self) -> Any:
        return DerivedFunction, (self.operator, self.f, self.options)

    def __repr__(self) -> str:
        return f"<{self._description()}>"

    def _description(self) -> str:
        f = f"({self.f._description()})" if isinstance(self.f, DerivedFunction) else name_of(self.f)
        options = dict(self.options)
        place = ""
        if "argnum" in self._declared.defaults:
            argnum = options.pop("argnum", self._declared.defaults["argnum"])
            place = f" with respect to argument{'s' if isinstance(argnum, tuple) else ''} {argnum}"
        others = "".join(f", {option}={in_one_line(given)}" for option, given in options.items())
        return f"{self._declared.name} of {f}{place}{others}"
