"""Every public function refuses, in a line, what is of a wrong kind or an unknown word."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest
from flows_of_series import field

from piv import post
from piv.errors import InputError
from piv.post.arguments import checked
from piv.types import Flag, Float, VectorField

RNG = np.random.default_rng(4)
SERIES = [field(*RNG.normal(size=(2, 12, 16))) for _ in range(8)]
ONE = SERIES[0]
FLOW = post.statistics_of(SERIES)
POINTS = post.time_series(SERIES, [(3, 3)])
RING = post.circle((8.0, 6.0), 3.0)

FUNCTIONS = [
    name
    for name in post.__all__
    if callable(getattr(post, name)) and not isinstance(getattr(post, name), type)
]
WRONG = {
    "list": [object()],
    "word": "a name",
    "none": None,
    "object": object(),
    "mapping": {"a": 1},
}


def test_there_are_functions_to_walk() -> None:
    assert len(FUNCTIONS) > 60
    assert {"vorticity", "pod", "spectrum", "reynolds_stress"} <= set(FUNCTIONS)


def _first(function: Callable[..., Iterator[Any]], *args: Any) -> Any:
    return next(function(*args))


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_first_argument_is_told_in_a_line(name: str, kind: str) -> None:
    function = getattr(post, name)
    parameters = list(inspect.signature(function).parameters.values())
    needed = [each for each in parameters if each.default is each.empty]
    places = [None] * sum(each.kind is not each.KEYWORD_ONLY for each in needed[1:])
    named = {each.name: 1.0 for each in needed[1:] if each.kind is each.KEYWORD_ONLY}
    wrong: Any = WRONG[kind]
    if inspect.isgeneratorfunction(inspect.unwrap(function)):
        function = partial(_first, function)
    with pytest.raises(InputError) as caught:
        function(wrong, *places, **named)
    assert "\n" not in str(caught.value)


CALLS: dict[str, Callable[[], Any]] = {
    "closure": lambda: post.dissipation(SERIES, FLOW, nu=1.0, closure="whole"),
    "contour": lambda: post.circulation(ONE, RING, method="whole"),
    "kernel": lambda: post.decompose(ONE, 2.0, kernel="whole"),
    "criterion": lambda: post.find_vortices(ONE, criterion="whole"),
    "upto": lambda: post.integral_scale(post.temporal_correlation(POINTS, 1.0), upto="whole"),
    "over": lambda: post.mean_velocity(ONE, "whole"),
    "deviations": lambda: post.subtract_mean(ONE, "whole"),
    "modes": lambda: post.pod(SERIES, method="whole"),
    "profile": lambda: post.profile(ONE, RING, method="whole"),
    "sample": lambda: post.sample(ONE, [(3, 3)], method="whole"),
    "component": lambda: post.spatial_correlation(SERIES, FLOW, component="w"),
    "axis": lambda: post.spatial_correlation(SERIES, FLOW, axis="z"),
    "spectrum axis": lambda: post.spectrum(SERIES, FLOW, axis="z"),
    "spectrum window": lambda: post.spectrum(SERIES, FLOW, axis="x", window="whole"),
    "plane window": lambda: post.plane_spectrum(SERIES, FLOW, window="whole"),
    "time window": lambda: post.time_spectrum(POINTS, 1.0, window="whole"),
    "block window": lambda: post.spod(SERIES, 1.0, block=4, modes=2, window="whole"),
    "structure": lambda: post.structure_functions(SERIES, FLOW, axis="z"),
    "time component": lambda: post.temporal_correlation(POINTS, 1.0, component="w"),
    "components": lambda: post.two_point_correlation(SERIES, FLOW, (3, 3), components="uw"),
    "third": lambda: post.turbulent_kinetic_energy(FLOW, third="whole"),
    "variance": lambda: FLOW.variance("w"),
    "rms": lambda: FLOW.rms("w"),
    "skewness": lambda: FLOW.skewness("w"),
    "kurtosis": lambda: FLOW.kurtosis("w"),
    "standard error": lambda: FLOW.standard_error("w"),
    "error of variance": lambda: FLOW.standard_error_of_variance("w"),
    "scheme": lambda: post.vorticity(ONE, scheme="whole"),
    "gauge": lambda: post.pressure_of(ONE, rho=1.0, gauge="whole"),
    "flags": lambda: post.vorticity(ONE, exclude="masked"),
    "flags of a sum": lambda: post.Accumulator(exclude="masked"),
    "order": lambda: post.Accumulator(order="4"),
    "field of a sum": lambda: post.Accumulator().add([1]),
    "sum of a sum": lambda: post.Accumulator().merge(3),
    "nu": lambda: post.dissipation(SERIES, FLOW, nu="1e-6"),
    "rho": lambda: post.pressure_of(ONE, rho="998"),
    "number of modes": lambda: post.pod(SERIES, modes="3"),
    "a mode's number": lambda: post.pod(SERIES).mode("1"),
    "a mode that is not": lambda: post.pod(SERIES).mode(99),
    "dynamic mode that is not": lambda: post.dmd(SERIES, 1.0, modes=2).mode(2),
    "dynamic modes that are not": lambda: post.dmd(SERIES, 1.0, modes=2).reconstruct(1.0, [5]),
    "spectral mode that is not": lambda: post.spod(SERIES, 1.0, block=4, modes=2).mode(0.1, 9),
    "how many": lambda: post.pod(SERIES).reconstruct("3"),
    "phases": lambda: post.phase_average(SERIES, ["a"] * 8),
    "window": lambda: post.savitzky_golay(5.5, 2),
    "offsets": lambda: post.Scheme("-1, 1", 1),
    "generator": lambda: post.line_integral_convolution(ONE, 1),
    "members": lambda: post.statistics_of([ONE, 3]),
    "no axis": lambda: post.derivative(ONE.u, ONE.x, 5),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_impossible_argument_is_told_in_a_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        CALLS[name]()
    assert "\n" not in str(caught.value)


@checked
def _example(
    one: VectorField | None,
    number: float = 0.0,
    count: int = 1,
    flags: Flag | int = 0,
    *,
    words: Literal["a", "b"] = "a",
    values: Float | None = None,
    place: tuple[float, float] = (0, 0),
    function: Callable[[float], float] | None = None,
    anything: Any = None,
) -> str:
    """What it was given."""
    return f"{number:g} {count} {int(flags)} {words} {place}"


def test_numbers_of_every_kind_are_numbers() -> None:
    assert _example(None, np.float32(2), np.int64(3), Flag.MASKED) == "2 3 1 a (0, 0)"
    assert _example(ONE, np.array(2), np.uint8(1), 4, place=np.array([1, 2])).startswith("2 1 4")
    assert _example(None, values=[1, 2], function=abs, anything=object())
    assert _example.__doc__ == "What it was given."


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"one": 3}, "one must be a VectorField or None, not 3"),
        ({"number": "2"}, "number must be a number, not '2'"),
        ({"number": True}, "number must be a number, not True"),
        ({"count": 1.5}, "count must be a whole number, not 1.5"),
        ({"flags": "masked"}, "flags must be flags such as Flag.MASKED | Flag.REPLACED, not"),
        ({"words": 1}, "words must be 'a' or 'b', not 1"),
        ({"values": [[1], [1, 2]]}, "values must be an array of numbers or None, not a list"),
        ({"values": np.array(["a"])}, "not an array of shape (1,)"),
        ({"place": (1,)}, "place must be (a number, a number), not a tuple"),
        ({"function": 3}, "function must be a function or None, not 3"),
    ],
)
def test_what_was_wanted_and_what_came_are_said(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        _example(**{"one": None, **given})
    assert str(caught.value).startswith("_example: ")
    assert message in str(caught.value)
