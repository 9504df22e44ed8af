"""Functions of fields that take an ``xarray.Dataset`` in a field's place."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from piv.post.arguments import checked
from piv.types import VectorField

_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")


def on_datasets(function: Callable[_Given, _Found]) -> Callable[_Given, _Found]:
    """Let a function of fields take data sets as :meth:`piv.VectorField.to_xarray` gives them.

    Arguments of a wrong kind are refused, see :func:`piv.post.arguments.checked`.
    """
    strict = checked(function)

    @wraps(function)
    def call(*args: _Given.args, **kwargs: _Given.kwargs) -> _Found:
        plain: Any = [_plain(each) for each in args]
        named: Any = {name: _plain(each) for name, each in kwargs.items()}
        return strict(*plain, **named)

    return call


def _plain(argument: Any) -> Any:
    is_dataset = hasattr(argument, "data_vars")  # without importing xarray
    return VectorField.from_xarray(argument) if is_dataset else argument
