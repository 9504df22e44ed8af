"""Random flows: every class of flow draws its parameters and says what it drew.

A flow is drawn in any amplitude; :mod:`synth.source` scales it to the displacement and gradient
that the recipe allows, and adds a mean flow where the class may be moved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch

from synth import flows, shapes, spectral, stored
from synth.flows import Flow


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """Where a flow is drawn: image size, split, index of the pair and device."""

    shape: tuple[int, int]
    split: str
    index: int
    device: str = "cpu"

    @property
    def side(self) -> float:
        """The shorter side, px."""
        return float(min(self.shape))

    def point(self, rng: np.random.Generator, beyond: float = 0.0) -> tuple[float, float]:
        """A random (y, x), up to a share ``beyond`` of the size outside the image."""
        y, x = rng.uniform(-beyond, 1 + beyond, 2)
        return y * self.shape[0], x * self.shape[1]


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """A flow and what was drawn for it.

    ``unseeded``: where the flow brings no particles; ``movable``: a mean flow may be added;
    ``scalable``: the amplitude is free, so that it is scaled to the displacement wanted (else it
    is left as drawn).
    """

    flow: Flow
    record: dict[str, Any] = field(default_factory=dict)
    body: shapes.Shape | None = None
    unseeded: shapes.Shape | None = None
    movable: bool = True
    scalable: bool = True


Options: TypeAlias = Mapping[str, float]
Drawer: TypeAlias = Callable[[np.random.Generator, Frame, Options], Drawn]
Wave: TypeAlias = Callable[[float, float, float, float], Flow]
SHORTEST_OVERTONE = 4.0  # px: what pixels can still show of a profile


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def kinematic(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Gaussian random field of a random spectrum; see :func:`synth.spectral.random_field`."""
    longest = 1.2 * max(frame.shape)
    # everything is drawn in any case, so that an option changes no other number
    wavelength = options.get("wavelength", log_uniform(rng, 12, longest))
    narrow = options.get("narrow", float(rng.random() < 0.2))
    slope = options.get("slope", rng.uniform(1.5, 4.2))
    shortest = options.get("shortest", min(math.exp(rng.uniform(2.2, 3.7)), wavelength))
    divergent = options.get("divergent", float(rng.random() < 0.3) * rng.uniform(0, 0.4))
    bandwidth = 0.25 if narrow else 0.0
    least = wavelength / 1.5 if narrow else shortest
    spacing = 1 if least < 14 else 2 if least < 28 else 4
    extent = (frame.shape[0] + 40, frame.shape[1] + 40)
    flow = spectral.random_field(
        rng,
        extent,
        spacing=spacing,
        wavelength=wavelength,
        slope=slope,
        shortest=shortest,
        bandwidth=bandwidth,
        divergent=divergent,
        # where it is an option, it changes no other number either
        divergent_rng=rng.spawn(1)[0] if "divergent" in options else None,
        device=frame.device,
    )
    record = {
        "wavelength": wavelength,
        "slope": None if narrow else slope,
        "shortest": None if narrow else shortest,
        "bandwidth": bandwidth,
        "divergent": divergent,
    }
    return Drawn(flow, record)


def _solver(rng: np.random.Generator, frame: Frame, options: Options, name: str) -> Drawn:
    fields = stored.load(name, frame.split)
    number = int(rng.integers(len(fields)))
    turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
    box = options.get("box", log_uniform(rng, 240, 900))
    origin = (-rng.uniform(0, box), -rng.uniform(0, box))

    def scalar(number: int, turn: int, mirror: bool) -> torch.Tensor:
        turned = np.rot90(fields[number], turn)
        if mirror:
            turned = turned[:, ::-1]
        return torch.from_numpy(turned.astype(np.float32)).to(frame.device)

    record = {"field": number, "turn": turn, "mirror": mirror, "box": box, "origin": list(origin)}
    potential = None
    if divergent := options.get("divergent", 0.0):
        other = rng.spawn(1)[0]
        second = int(other.integers(len(fields)))
        # turned otherwise than the first, so that the same field too lies elsewhere
        potential = divergent * scalar(second, turn + int(other.integers(1, 4)), not mirror)
        record |= {"divergent": divergent, "second": second}
    flow = spectral.from_scalar(
        scalar(number, turn, mirror), stored.ALPHA[name], 256, box, origin, potential
    )
    return Drawn(flow, record)


def turbulence(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Stored field of the Navier-Stokes solver, two-dimensional decaying turbulence."""
    return _solver(rng, frame, options, "turbulence")


def sqg(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Stored field of the surface quasi-geostrophic solver."""
    return _solver(rng, frame, options, "sqg")


def uniform(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Translation; with the option ``sweep`` the sub-pixel part steps by 0.05 px with the index."""
    if options.get("sweep"):
        u = int(rng.integers(0, 9)) + (frame.index % 21) / 20
        v = int(rng.integers(0, 9)) + (8 * frame.index % 21) / 20
        record = {"u": u, "v": v}
        return Drawn(flows.uniform(u, v), record, movable=False, scalable=False)
    angle = rng.uniform(0, 2 * math.pi)
    flow = flows.uniform(math.cos(angle), math.sin(angle))
    return Drawn(flow, {"angle": angle}, movable=False)


def linear(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Shear, stagnation flow, rigid rotation, or any first-order field."""
    kind = ("shear", "stagnation", "rotation", "any")[int(rng.integers(4))]
    centre, angle = frame.point(rng, 0.3), options.get("angle", rng.uniform(0, math.pi))
    sign = float(rng.choice([-1, 1]))
    g = rng.normal(0, 1, 4)
    flow = {
        "shear": flows.shear(centre, sign, angle),
        "stagnation": flows.stagnation(centre, sign, angle),
        "rotation": flows.rotation(centre, sign),
        "any": flows.linear(centre, ((g[0], g[1]), (g[2], g[3]))),
    }[kind]
    return Drawn(flow, {"type": kind, "centre": list(centre), "angle": angle})


def sine(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Sinusoidal shear; with the option ``sweep`` wavelengths 8 to 128 px by the index.

    With ``fixed`` the wavelength is that of the options, the amplitude is not scaled either, and
    the direction goes from one axis to the other with the index.  With ``overtones`` the profile is
    no sine but any, of overtones as strong as that at random and with random phases.
    """
    phase = rng.uniform(0, 2 * math.pi)
    if options.get("sweep"):
        wavelength = float((8, 11, 16, 23, 32, 45, 64, 90, 128)[frame.index % 9])
        angle = (frame.index // 9) % 2 * math.pi / 2
    elif options.get("fixed"):
        wavelength = options.get("wavelength", 64.0)
        angle = options.get("angle", frame.index % 2 * math.pi / 2)
    else:
        wavelength = options.get("wavelength", log_uniform(rng, 10, 2 * frame.side))
        angle = options.get("angle", rng.uniform(0, math.pi))
    wave: Wave = flows.sine
    more: dict[str, Any] = {}
    if strength := options.get("overtones", 0.0):
        parts = _overtones(rng, wavelength, strength)
        wave, more = partial(flows.overtones, parts=parts), {"overtones": parts}
    if options.get("sweep") or options.get("fixed"):
        drawn = _fixed_wave(rng, wavelength, angle, phase, wave)
        return replace(drawn, record=drawn.record | more)
    record = {"wavelength": wavelength, "angle": angle, "phase": phase}
    return Drawn(wave(1.0, wavelength, angle, phase), record | more)


def _overtones(
    rng: np.random.Generator, wavelength: float, strength: float
) -> list[tuple[int, float, float]]:
    """Random parts of :func:`synth.flows.overtones`, none shorter than 4 px."""
    last = min(6, int(wavelength / SHORTEST_OVERTONE))
    return [
        (k, strength * float(rng.normal()) / k**1.5, float(rng.uniform(0, 2 * math.pi)))
        for k in range(2, last + 1)
    ]


def _fixed_wave(
    rng: np.random.Generator, wavelength: float, angle: float, phase: float, wave: Wave = flows.sine
) -> Drawn:
    """A wave of 1 px, or of as much as its gradient allows, upon any displacement to 3 px."""
    amplitude = min(1.0, 0.08 * wavelength)
    mean = rng.uniform(-3, 3, 2)
    parts = (
        (1.0, wave(amplitude, wavelength, angle, phase)),
        (1.0, flows.uniform(mean[0], mean[1])),
    )
    record = {"wavelength": wavelength, "amplitude": amplitude, "angle": angle, "phase": phase}
    record["mean_u"], record["mean_v"] = float(mean[0]), float(mean[1])
    return Drawn(flows.Sum(parts), record, movable=False, scalable=False)


def triangle(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """A wave of straight flanks, as the fixed :func:`sine`; nothing is trained on it."""
    phase = rng.uniform(0, 2 * math.pi)
    wavelength = options.get("wavelength", 32.0)
    angle = options.get("angle", frame.index % 2 * math.pi / 2)
    return _fixed_wave(rng, wavelength, angle, phase, flows.triangle)


def step(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """A jump of the displacement along a line through the middle of the image: a vortex sheet.

    The line lies within 0.2 rad of an axis, which goes from one to the other with the index.
    """
    jump, thickness = options.get("jump", 2.0), options.get("thickness", 0.0)
    angle = options.get("angle", frame.index % 2 * math.pi / 2 + rng.uniform(-0.2, 0.2))
    shift, mean = rng.uniform(-8, 8, 2), rng.uniform(-3, 3, 2)
    origin = (frame.shape[0] / 2 + shift[0], frame.shape[1] / 2 + shift[1])
    parts = (
        (1.0, flows.step(origin, jump, thickness, angle)),
        (1.0, flows.uniform(mean[0], mean[1])),
    )
    record = {
        "jump": jump,
        "thickness": thickness,
        "angle": angle,
        "origin_y": float(origin[0]),
        "origin_x": float(origin[1]),
        "mean_u": float(mean[0]),
        "mean_v": float(mean[1]),
    }
    return Drawn(flows.Sum(parts), record, movable=False, scalable=False)


def core(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """One vortex near the middle of the image, of a core size: Lamb-Oseen's, or Rankine's."""
    size, rankine = options.get("core", 12.0), bool(options.get("rankine", 0.0))
    shift = rng.uniform(-0.1, 0.1, 2) * frame.side
    centre = (frame.shape[0] / 2 + shift[0], frame.shape[1] / 2 + shift[1])
    sign = float(rng.choice([-1, 1]))
    flow = (
        flows.rankine(centre, sign, size)
        if rankine
        else flows.lamb_oseen([centre], [sign * size], [size])
    )
    kind = "rankine" if rankine else "lamb-oseen"
    record = {"type": kind, "centre_y": float(centre[0]), "centre_x": float(centre[1])}
    return Drawn(flow, record | {"core": size})


def vortex(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Lamb-Oseen vortices, one Rankine vortex, or a Taylor-Green array."""
    kind = rng.choice(["lamb-oseen", "rankine", "taylor-green"], p=[0.65, 0.15, 0.2])
    if "core" in options or "number" in options:
        kind = "lamb-oseen"
    if kind == "rankine":
        radius = log_uniform(rng, 6, 0.4 * frame.side)
        centre = frame.point(rng)
        flow = flows.rankine(centre, float(rng.choice([-1, 1])), radius)
        return Drawn(flow, {"type": "rankine", "centre": list(centre), "core": radius})
    if kind == "taylor-green":
        wavelength = log_uniform(rng, 24, 2 * frame.side)
        angle, centre = rng.uniform(0, math.pi), frame.point(rng)
        flow = flows.taylor_green(centre, 1.0, wavelength, angle)
        return Drawn(flow, {"type": "taylor-green", "wavelength": wavelength, "angle": angle})
    number = int(options.get("number", rng.choice([1, 2, 3, 5, 8, 12])))
    centres = [frame.point(rng, 0.1) for _ in range(number)]
    # the exponential core of size r_c has its fastest turn at 1.12 r_c
    cores = np.exp(rng.uniform(math.log(5), math.log(0.25 * frame.side), number))
    if "core" in options:
        cores = np.full(number, options["core"])
    speeds = rng.choice([-1, 1], number) * rng.uniform(0.3, 1, number)
    flow = flows.lamb_oseen(centres, list(map(float, speeds * cores)), list(map(float, cores)))
    record = {"type": "lamb-oseen", "centres": [list(c) for c in centres], "cores": cores.tolist()}
    return Drawn(flow, record)


def rough(
    rng: np.random.Generator, frame: Frame, flow: Flow, share: float, wavelength: float
) -> Flow:
    """The flow plus turbulence: a random field whose rms is ``share`` of the flow's largest."""
    if share <= 0:
        return flow
    field_ = spectral.random_field(
        rng,
        (frame.shape[0] + 40, frame.shape[1] + 40),
        spacing=2,
        wavelength=wavelength,
        slope=2.5,
        shortest=16,
        device=frame.device,
    )
    y, x = flows.axes(frame.shape, frame.device)
    sparse = (y[::5], x[:, ::5])  # enough points for the size of both
    rms = float(torch.stack(field_(*sparse)).std())
    top = float(torch.maximum(*(d.abs().max() for d in flow(*sparse))))
    return flows.Sum(((1.0, flow), (share * top / max(rms, 1e-12), field_)))
