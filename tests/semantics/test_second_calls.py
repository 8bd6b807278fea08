"""Law 5 where f is called once more in reverse, because a zero is in doubt: only if that is a call of the same f."""

import numpy as np
import pytest

import dualdiff
from dualdiff import gradient, hessian, jacobian, jvp

ZERO = np.zeros(2)


class Factor:
    """What f changes when it is called: the factor of its second term, 1 in the first call."""

    now = 1.0


def changing_an_argument():
    def f(x, c):
        r = singular_root(x) + c[0] * (x @ x)
        c += 1.0
        return r

    return f, (np.ones(1),)


def leaving_an_argument_changed():
    # The second call leaves it as it found it.
    def f(x, c):
        r = singular_root(x) + c[0] * (x @ x)
        c[:] = 5.0
        return r

    return f, (np.ones(1),)


def changing_a_large_argument():
    def f(x, c):
        r = singular_root(x) + c[-1] * (x @ x)
        c *= -1.0
        return r

    return f, (np.ones(10**5),)


def changing_a_variable():
    c = 1.0

    def f(x):
        nonlocal c
        c += 1.0
        return singular_root(x) + (c - 1.0) * (x @ x)

    return f, ()


def changing_an_array_of_a_closure():
    c = np.ones(1)

    def f(x):
        r = singular_root(x) + c[0] * (x @ x)
        c[:] = c + 1.0
        return r

    return f, ()


def changing_a_list():
    c = [1.0]

    def f(x):
        c.append(c[-1] + 1.0)
        return singular_root(x) + c[-2] * (x @ x)

    return f, ()


def changing_a_global():
    def f(x):
        Factor.now += 1.0
        return singular_root(x) + (Factor.now - 1.0) * (x @ x)

    return f, ()


def changing_an_attribute():
    class Model:
        c = 1.0

        def __call__(self, x):
            self.c += 1.0
            return singular_root(x) + (self.c - 1.0) * (x @ x)

    return Model(), ()


def drawing_random_numbers():
    rng = np.random.default_rng(0)
    first = rng.random()
    rng = np.random.default_rng(0)
    return lambda x: singular_root(x) + rng.random() / first * (x @ x), ()


def starting_where_the_last_call_ended():
    start = [None]

    def f(x):
        # Newton's method for y**2 = 1 + x @ x, which takes no step from the root.
        y = 2.0 if start[0] is None else start[0]
        while abs(dualdiff.value(y * y - 1.0 - x @ x)) > 1e-14:
            y = y - (y * y - 1.0 - x @ x) / (2.0 * y)
        start[0] = dualdiff.value(y)
        return singular_root(x) + 2.0 * y

    return f, ()


def taking_another_branch():
    # The same values and gradients at 0 in both calls.
    calls = []

    def f(x):
        calls.append(1)
        r = singular_root(x)
        return r + (np.linalg.norm(x) ** 2 if len(calls) == 1 else 4.0 * (x @ x))

    return f, ()


CHANGING = [
    changing_an_argument,
    leaving_an_argument_changed,
    changing_a_large_argument,
    changing_a_variable,
    changing_an_array_of_a_closure,
    changing_a_list,
    changing_a_global,
    changing_an_attribute,
    drawing_random_numbers,
    starting_where_the_last_call_ended,
    taking_another_branch,
]


def singular_root(x):
    """The roots of squares of two constants, in doubt forwards, and of x + 1: its second derivatives are zero."""
    return np.sum(np.sqrt(np.concatenate([np.zeros(2), x + 1]) ** 2))


def nested(inner, outer, **options):
    return lambda f, x, *args: outer(lambda y: inner(f, y, *args, **options), x)


def along_all(f, x, *args):
    return np.diag(jvp(lambda y: gradient(f, y, *args, mode="forward"), x, np.ones(2))[1])


#: Ways that call f a second time, in reverse, if a zero is in doubt.
TWICE = {
    "hessian": lambda f, x, *args: hessian(f, x, *args, mode="forward"),
    "mixed": hessian,
    "jacobian": lambda f, x, *args: jacobian(lambda y: jacobian(f, y, *args, mode="forward"), x, mode="forward"),
    "diagonal": lambda f, x, *args: np.diag(dualdiff.hessian_diagonal(f, x, *args, mode="forward")),
    "one direction": along_all,
}


@pytest.mark.parametrize("take", TWICE)
@pytest.mark.parametrize("change", CHANGING)
def test_a_second_call_is_one_of_the_same_function(change, take):
    # The calls differ in the second derivatives alone: values and gradients agree.
    Factor.now = 1.0
    f, args = change()
    once = [arg.copy() for arg in args]
    f(np.ones(2), *once)
    Factor.now = 1.0
    f, args = change()
    with pytest.warns(dualdiff.SingularPointWarning, match="not the same function in both calls"):
        found = TWICE[take](f, ZERO, *args)
    assert np.isnan(np.diag(found)).all(), found
    for arg, expected in zip(args, once, strict=True):
        np.testing.assert_array_equal(arg, expected)


def test_each_pass_and_the_second_call_see_the_arguments_as_they_were():
    f, args = changing_an_argument()
    found = jacobian(lambda y: gradient(f, y, *args, mode="forward", chunk_size=1), ZERO, mode="forward")
    np.testing.assert_allclose(found, np.diag([2.0, 2.0]), rtol=1e-14)
    np.testing.assert_array_equal(args[0], 2.0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("take", TWICE)
def test_a_second_call_of_what_keeps_work_arrays(take):
    kept = {}

    def f(x, work):
        work[:] = 2.0
        kept.setdefault("table", np.arange(3.0))
        return singular_root(x) + work[0] * (x @ x) + kept["table"][1]

    found = TWICE[take](f, ZERO, np.zeros(2))
    np.testing.assert_allclose(np.diag(found), 4.0, rtol=1e-14)
