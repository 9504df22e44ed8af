"""From a class of a recipe to one scene: the flow in its final size, bodies, seeding and light."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from piv.errors import SettingsError
from synth import draw, flows, shapes, walls
from synth.draw import Drawer, Drawn, Frame
from synth.flows import Flow
from synth.recipe import ClassRecipe

# every flow with the options it knows and their ranges: lengths in px, angles in rad
_LENGTH, _ANGLE, _SWITCH = (2.0, 1e4), (-10.0, 10.0), (0.0, 1.0)
FLOWS: dict[str, tuple[Drawer, dict[str, tuple[float, float]]]] = {
    "kinematic": (
        draw.kinematic,
        {
            "wavelength": _LENGTH,
            "narrow": _SWITCH,
            "slope": (0.0, 8.0),
            "shortest": _LENGTH,
            "divergent": (0.0, 1.0),
        },
    ),
    "turbulence": (draw.turbulence, {"box": (32.0, 1e4), "divergent": (0.0, 1.0)}),
    "sqg": (draw.sqg, {"box": (32.0, 1e4), "divergent": (0.0, 1.0)}),
    "vortex": (draw.vortex, {"number": (1.0, 200.0), "core": _LENGTH}),
    "shear_layer": (
        walls.shear_layer,
        {"wavelength": _LENGTH, "concentration": (0.0, 0.95), "angle": _ANGLE},
    ),
    "jet": (walls.jet, {"width": _LENGTH, "angle": _ANGLE}),
    "plume": (walls.plume, {"width": _LENGTH, "vortices": (2.0, 100.0)}),
    "wall": (walls.wall, {"angle": _ANGLE}),
    "separated": (walls.separated, {"step": _LENGTH}),
    "wake": (walls.wake, {"radius": _LENGTH}),
    "linear": (draw.linear, {"angle": _ANGLE}),
    "sine": (
        draw.sine,
        {
            "sweep": _SWITCH,
            "fixed": _SWITCH,
            "overtones": (0.0, 2.0),
            "wavelength": _LENGTH,
            "angle": _ANGLE,
        },
    ),
    "triangle": (draw.triangle, {"wavelength": _LENGTH, "angle": _ANGLE}),
    "step": (draw.step, {"jump": (0.1, 20.0), "thickness": (0.0, 100.0), "angle": _ANGLE}),
    "core": (draw.core, {"core": _LENGTH, "rankine": _SWITCH}),
    "uniform": (draw.uniform, {"sweep": _SWITCH}),
}


@dataclass(frozen=True, eq=False, slots=True)
class Scene:
    """What is photographed.

    Parameters
    ----------
    flow : Flow
    truth : float32 tensor, shape (2, H, W)
        u, v at every pixel, zero within bodies.
    body, unseeded, shadow : Shape or None
    record : dict
        What was drawn.
    """

    flow: Flow
    truth: Tensor
    body: shapes.Shape | None
    unseeded: shapes.Shape | None
    shadow: shapes.Shape | None
    record: dict[str, Any]


def values(part: Any, rng: np.random.Generator) -> dict[str, float]:
    """One number from every distribution of a part of a recipe."""
    return {f.name: getattr(part, f.name).sample(rng) for f in fields(part)}


def check(recipe: ClassRecipe) -> None:
    """Make sure that the flow of the class exists and knows its options.

    Raises
    ------
    SettingsError
        If not.
    """
    if recipe.flow not in FLOWS:
        raise SettingsError(f"unknown flow {recipe.flow!r}: known are {', '.join(FLOWS)}")
    _, known = FLOWS[recipe.flow]
    for name, option in recipe.options.items():
        if name not in known:
            raise SettingsError(
                f"the flow {recipe.flow} has no option {name!r}: it has {', '.join(known)}"
            )
        low, high = known[name]
        if not (option.bounds()[0] >= low and option.bounds()[1] <= high):
            raise SettingsError(f"the option {name} of {recipe.flow} is from {low:g} to {high:g}")


def compose(recipe: ClassRecipe, frame: Frame, rng: np.random.Generator) -> Scene:
    """Draw a scene of the class."""
    drawn_values = values(recipe.scene, rng)
    options = {name: option.sample(rng) for name, option in recipe.options.items()}
    drawn = FLOWS[recipe.flow][0](rng, frame, options)
    flow, truth, sizes = _scaled(drawn, drawn_values, frame, rng)

    body = drawn.body
    if body is None and rng.random() < drawn_values["body"]:
        body = shapes.random_body(rng, frame.shape)
    unseeded = drawn.unseeded
    if rng.random() < drawn_values["unseeded"]:
        unseeded = shapes.random_region(rng, frame.shape)
    shadow = None
    if body is not None and rng.random() < drawn_values["shadow"]:
        shadow = _shadow(body, frame, rng)
    given = body is not None and bool(rng.random() < drawn_values["mask_given"])
    record = {
        "flow": recipe.flow,
        "drawn": {**drawn.record, **sizes},
        "body": body.record if body else None,
        "unseeded": unseeded.record if unseeded else None,
        "shadow": shadow.record if shadow else None,
        "mask_given": given,
        "glare": drawn_values["glare"],
    }
    return Scene(flow, truth, body, unseeded, shadow, record)


def _scaled(
    drawn: Drawn, scene: dict[str, float], frame: Frame, rng: np.random.Generator
) -> tuple[Flow, Tensor, dict[str, float]]:
    """Bring the flow to the displacement wanted within the gradients allowed; add a mean flow."""
    truth = flows.on_grid(drawn.flow, frame.shape, frame.device)
    angle, share, moved = rng.uniform(0, 2 * math.pi), rng.random(), rng.random()
    if not drawn.scalable:
        return drawn.flow, truth, {"scale": 1.0}
    top = float(truth.abs().max())
    rms, steepest = _gradient(truth)
    wanted = scene["displacement"]
    moving = drawn.movable and moved < scene["moving"]
    # a moving flow shares the displacement with its mean
    own = wanted * (0.15 + 0.85 * share) if moving else wanted
    scale = min(
        own / max(top, 1e-9),
        scene["gradient"] / max(rms, 1e-9),
        scene["gradient_peak"] / max(steepest, 1e-9),
    )
    rest = max(0.0, wanted - scale * top)
    mean = rest * max(rng.random() ** 0.5, scene["fill"]) if moving else 0.0
    u, v = mean * math.cos(angle), mean * math.sin(angle)
    truth = scale * truth + torch.tensor([u, v], device=truth.device)[:, None, None]
    flow = flows.Sum(((scale, drawn.flow), (1.0, flows.uniform(u, v))))
    return flow, truth, {"scale": scale, "mean_u": u, "mean_v": v, "gradient_rms": scale * rms}


def _gradient(truth: Tensor) -> tuple[float, float]:
    """Rms and largest norm of the gradient of (2, H, W), px/px."""
    d_y = truth[:, 1:, :-1] - truth[:, :-1, :-1]
    d_x = truth[:, :-1, 1:] - truth[:, :-1, :-1]
    squared = (d_y**2 + d_x**2).sum(0)
    return math.sqrt(float(squared.mean())), math.sqrt(float(squared.max()))


def _shadow(body: shapes.Shape, frame: Frame, rng: np.random.Generator) -> shapes.Shape | None:
    """A half strip as wide as the body, away from the light; None where no body is in view."""
    inside = body.distance(*flows.axes(frame.shape, frame.device)) < 0
    area = float(inside.sum())
    share = area / (frame.shape[0] * frame.shape[1])
    if not 0 < share < 0.2:
        return None
    rows, columns = torch.nonzero(inside, as_tuple=True)
    width = rng.uniform(0.6, 1.1) * math.sqrt(area)
    y, x = float(rows.cpu().double().mean()), float(columns.cpu().double().mean())
    return shapes.shadow(y, x, width, rng.uniform(0, 2 * math.pi))
