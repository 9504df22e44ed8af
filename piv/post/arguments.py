"""Wrong kinds of arguments of public functions, told in one line."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from numbers import Integral, Real
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from piv.errors import InputError
from piv.types import Flag

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_ARRAY_LIKE = frozenset(typing.get_args(npt.ArrayLike))
_WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "True or False",
    str: "a word",
    Flag: "flags such as Flag.MASKED | Flag.REPLACED",
    NoneType: "None",
    np.ndarray: "an array of numbers",
    np.random.Generator: "a generator such as numpy.random.default_rng(1)",
}


def checked(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """Refuse arguments of another kind than the function's annotations say.

    Kinds are looked at, not values: numbers, words, arrays of numbers, and the classes of this
    project.  What other annotations ask for is taken as it comes.

    Raises
    ------
    InputError
        By the function that is returned.
    """
    signature = inspect.signature(function)

    @wraps(function)
    def call(*args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        given = signature.bind(*args, **kwargs)
        for name, value in given.arguments.items():
            hint = _hint(function, name)
            if hint is not None and not _fits(value, hint):
                raise InputError(
                    f"{function.__name__}: {name} must be {_wanted(hint)}, not {_came(value)}"
                )
        return function(*given.args, **given.kwargs)

    return call


@lru_cache(maxsize=1024)
def _hint(function: Callable[..., Any], name: str) -> Any:
    """What the annotation of a parameter means; None where it names what is not imported."""
    text = function.__annotations__.get(name)
    if text is None:
        return None
    try:
        found: Any = typing.get_type_hints(
            SimpleNamespace(__annotations__={name: text}), getattr(function, "__globals__", {})
        )
    except (NameError, TypeError):  # imported for type checkers only, or part of a text
        return None
    return found.get(name)


def _fits(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        if set(parts) >= _ARRAY_LIKE:
            return _is_array(value) or (value is None and NoneType in parts)
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str)  # which words, the function knows
    if origin is np.ndarray:
        return _is_array(value)
    if origin is tuple:
        return _is_row(value, parts)
    if origin in (Sequence, Iterable, list):
        words = isinstance(value, (str, bytes)) or not isinstance(value, Iterable)
        return not words and (origin is Iterable or all(_fits(each, parts[0]) for each in value))
    if origin is not None and (getattr(origin, "__name__", "") == "Callable"):
        return callable(value)
    return _is_one(value, hint)


def _is_one(value: Any, hint: Any) -> bool:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if hint is bool:
        return isinstance(value, (bool, np.bool_))
    if hint in (int, Flag):
        return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))
    if hint is float:
        return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
    return not isinstance(hint, type) or isinstance(value, hint)


def _is_array(value: Any) -> bool:
    if value is None or isinstance(value, (str, bytes)):
        return False
    try:
        return np.asarray(value).dtype.kind in "biufc"
    except (ValueError, TypeError):  # rows of different lengths, or no numbers
        return False


def _is_row(value: Any, parts: tuple[Any, ...]) -> bool:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
        return False
    if not hasattr(value, "__getitem__") or isinstance(value, dict) or len(value) != len(parts):
        return False
    return all(_fits(each, part) for each, part in zip(value, parts, strict=True))


def _wanted(hint: Any) -> str:
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        if set(parts) >= _ARRAY_LIKE:
            return "an array of numbers" + (" or None" if NoneType in parts else "")
        if Flag in parts:
            parts = tuple(part for part in parts if part is not int)
        return " or ".join(dict.fromkeys(_wanted(part) for part in parts))
    if origin is Literal:
        return " or ".join(repr(part) for part in parts)
    if origin is tuple:
        return f"({', '.join(_wanted(part) for part in parts)})"
    if origin in (Sequence, Iterable, list):
        return f"a list, each {_wanted(parts[0])}"
    if origin is not None and getattr(origin, "__name__", "") == "Callable":
        return "a function"
    hint = origin or hint
    return _WORDS.get(hint) or f"a {getattr(hint, '__name__', hint)}"


def _came(value: Any) -> str:
    if isinstance(value, str):
        return f"{value[:40]!r}"
    if value is None or isinstance(value, Real):
        return str(value)
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    return f"a {type(value).__name__}"
