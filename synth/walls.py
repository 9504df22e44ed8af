"""Random flows along walls, around bodies, and in free shear layers (see :mod:`synth.draw`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synth import flows, shapes
from synth.draw import Drawn, Frame, Options, log_uniform, rough
from synth.flows import Displacement, Flow


def shear_layer(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Mixing layer with Stuart's vortices, turned by any angle, perhaps with turbulence."""
    wavelength = options.get("wavelength", log_uniform(rng, 30, 1.5 * frame.side))
    concentration = options.get("concentration", float(rng.choice([0.0, rng.uniform(0, 0.75)])))
    centre, angle = frame.point(rng), options.get("angle", rng.uniform(0, 2 * math.pi))
    speed = float(rng.choice([-1, 1]))
    flow = turned(flows.stuart((0.0, 0.0), speed, wavelength, concentration), centre, angle)
    record = {"wavelength": wavelength, "concentration": concentration, "angle": angle}
    share = float(rng.random() < 0.4) * rng.uniform(0.01, 0.1)
    return Drawn(rough(rng, frame, flow, share, 60.0), record)


def jet(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Meandering plane jet in any direction, perhaps with turbulence."""
    width = options.get("width", log_uniform(rng, 6, 0.25 * frame.side))
    wavelength = rng.uniform(0.4, 2.0) * frame.side
    swing = rng.uniform(0, 0.08) * wavelength
    centre, angle = frame.point(rng), options.get("angle", rng.uniform(0, 2 * math.pi))
    flow = turned(flows.bickley((0.0, 0.0), width, 1.0, swing, wavelength), centre, angle)
    record = {"width": width, "swing": swing, "wavelength": wavelength, "angle": angle}
    share = float(rng.random() < 0.5) * rng.uniform(0.01, 0.1)
    return Drawn(rough(rng, frame, flow, share, 50.0), record)


def plume(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Jet along x whose shear layers have rolled up; only the fluid of the jet has particles.

    A Bickley jet and Lamb-Oseen vortices staggered on both sides of it.  The seeded band has been
    carried by this flow, seen from the frame of the vortices, until it is rolled up as well.
    """
    height, width = frame.shape
    b = options.get("width", rng.uniform(0.06, 0.1) * height)
    number = int(options.get("vortices", rng.integers(5, 9)))
    middle = rng.uniform(0.4, 0.6) * height
    spacing = width / (number - 1)
    x_v = (np.arange(number) - rng.uniform(0, 1)) * spacing + rng.normal(0, 0.08 * spacing, number)
    side = np.where(np.arange(number) % 2 == 0, 1.0, -1.0)
    grown = np.clip(0.5 + 0.7 * x_v / width, 0.3, 1.2)
    y_v = middle + side * b * (0.8 + 0.6 * grown) + rng.normal(0, 0.1 * b, number)
    turns = side * 2.8 * b * grown * rng.uniform(0.8, 1.2, number)
    cores = 0.6 * b * grown
    centres = [(float(y), float(x)) for y, x in zip(y_v, x_v, strict=True)]
    flow: Flow = flows.Sum(
        (
            (1.0, flows.bickley((middle, 0.0), b, 0.8, 0.15 * b, 2 * spacing)),
            (1.0, flows.lamb_oseen(centres, turns.tolist(), cores.tolist())),
        )
    )
    followed = flows.Sum(((1.0, flow), (1.0, flows.uniform(-0.4, 0.0))))
    seeded = shapes.band(middle, 0.0, 2.6 * b, 0.0)
    clear = shapes.carried(shapes.outside(seeded), followed, 9.0 * b, 45)
    flow = rough(rng, frame, flow, 0.02, 40.0)
    record = {"width": b, "vortices": number, "middle": middle}
    return Drawn(flow, record, unseeded=clear, movable=False)


def wall(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Boundary layer (laminar or turbulent) or channel, with its walls in view."""
    kind = ("laminar", "turbulent", "channel")[int(rng.integers(3))]
    height, width = frame.shape
    angle = float(rng.integers(4)) * math.pi / 2 + float(rng.normal(0, 0.05))
    angle = options.get("angle", angle)
    c, s = math.cos(angle), math.sin(angle)
    extent = abs(c) * height + abs(s) * width  # of the image across the wall
    reach = extent / 2 - rng.uniform(0.02, 0.2) * extent
    origin = (height / 2 - c * reach, width / 2 + s * reach)
    body = shapes.half_plane(*origin, angle)
    speed = float(rng.choice([-1, 1]))
    record = {"type": kind, "angle": angle, "wall": list(origin)}
    flow: Flow
    if kind == "laminar":
        thickness = rng.uniform(0.1, 0.9) * extent
        flow = flows.laminar_layer(origin, thickness, speed, angle)
        record["thickness"] = thickness
    elif kind == "turbulent":
        wall_unit = log_uniform(rng, 0.3, 3)
        plus = rng.uniform(0.2, 0.9) * extent / wall_unit
        top = math.log1p(0.4 * plus) / 0.4 + 7.8
        flow = flows.turbulent_layer(origin, speed / top, wall_unit, abs(speed), angle)
        flow = Damped(rough(rng, frame, flow, rng.uniform(0, 0.06), 50.0), body, 12.0)
        record["wall_unit"] = wall_unit
    else:
        half = rng.uniform(0.25, 0.6) * extent
        middle = (origin[0] + c * half, origin[1] - s * half)
        flow = flows.poiseuille(middle, half, speed, angle)
        other = shapes.half_plane(middle[0] + c * half, middle[1] - s * half, angle + math.pi)
        body = shapes.union([body, other], "channel")
        record["half_width"] = half
    return Drawn(flow, record, body, movable=False)


def separated(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Backward-facing step: shear layer from the edge, vortices in it, stagnant flow behind."""
    height, width = frame.shape
    step = options.get("step", rng.uniform(0.2, 0.45) * height)
    floor = height * rng.uniform(0.92, 1.05)
    corner = (floor - step, rng.uniform(0.05, 0.3) * width)
    block = shapes.intersection(
        [
            shapes.half_plane(corner[0], corner[1], math.pi),
            shapes.half_plane(corner[0], corner[1], -math.pi / 2),
        ],
        "step",
    )
    ground = shapes.half_plane(floor, 0.0, math.pi)
    body = shapes.union([block, ground], "step and floor")
    thin = log_uniform(rng, 3, 0.1 * height)
    layer = flows.separated_layer(corner, 1.0, thin, rng.uniform(0.02, 0.1), rng.uniform(0, 0.12))
    number = int(rng.integers(1, 6))
    x_v = corner[1] + np.sort(rng.uniform(0.1, 0.9, number)) * (width - corner[1])
    y_v = corner[0] + rng.uniform(0.1, 0.6, number) * step
    cores = rng.uniform(0.12, 0.35, number) * step
    strength = rng.uniform(0.2, 1.0, number) * cores
    # mirror images below the floor, so that nothing flows through it
    centres = [(float(y), float(x)) for y, x in zip(y_v, x_v, strict=True)]
    centres += [(2 * floor - y, x) for y, x in centres]
    turns = [float(t) for t in strength] + [-float(t) for t in strength]
    sizes = [float(r) for r in cores] * 2
    flow: Flow = flows.Sum(((1.0, layer), (1.0, flows.lamb_oseen(centres, turns, sizes))))
    near = log_uniform(rng, 4, 12)
    flow = Damped(rough(rng, frame, flow, rng.uniform(0, 0.05), 40.0), body, near)
    flip = bool(rng.integers(2))
    record = {"edge": list(corner), "step": step, "layer": thin, "vortices": number, "flip": flip}
    if flip:
        flow, body = _mirrored(flow, body, width)
    return Drawn(flow, record, body, movable=False)


def wake(rng: np.random.Generator, frame: Frame, options: Options) -> Drawn:
    """Wake of vortex blobs: potential flow around a cylinder and a street of Lamb-Oseen vortices.

    The vortices alternate on two rows with von Karman's spacing ratio 0.281, each with its image in
    the cylinder.  It is no solution of the equations of motion.
    """
    height, width = frame.shape
    radius = options.get("radius", rng.uniform(0.03, 0.1) * frame.side)
    centre = (rng.uniform(0.3, 0.7) * height, rng.uniform(0.1, 0.4) * width)
    spacing = radius * rng.uniform(7, 10)
    phase, strength = rng.uniform(0, 1), rng.uniform(1.5, 3.0) * 2 * radius
    turned_by = float(rng.normal(0, 0.15))
    flow = vortex_street(centre, radius, spacing, strength, phase, 1.5 * width, turned_by)
    flow = rough(rng, frame, flow, rng.uniform(0, 0.03), 50.0)
    body = shapes.disc(*centre, radius)
    record = {"type": "wake of vortex blobs", "centre": list(centre), "radius": radius}
    record |= {"spacing": spacing, "circulation": strength, "phase": phase, "angle": turned_by}
    layer = log_uniform(rng, 3, 10)
    record["layer"] = layer
    flow = Damped(flow, body, layer)
    flip = bool(rng.integers(2))
    record["flip"] = flip
    if flip:
        flow, body = _mirrored(flow, body, width)
    return Drawn(flow, record, body, movable=False)


def vortex_street(
    centre: flows.Point,
    radius: float,
    spacing: float,
    circulation: float,
    phase: float,
    length: float,
    angle: float = 0.0,
) -> Flow:
    """The field of :func:`wake`, at unit speed of the free stream."""
    centres, turns, cores = [], [], []
    number = int(length / spacing * 2)
    for i in range(number):
        side = 1 if i % 2 else -1
        x = radius * 2.2 + (i / 2 + phase / 2) * spacing
        grown = min(1.0, (x - radius) / (6 * radius))  # rolled up some diameters downstream
        y = -side * 0.281 / 2 * spacing * (0.6 + 0.4 * grown)
        gamma, core = side * circulation * grown, 0.35 * radius + 0.035 * x
        ratio = radius**2 / (x * x + y * y)
        centres += [(y, x), (y * ratio, x * ratio)]
        turns += [gamma, -gamma]
        cores += [core, 0.7 * radius]
    centres.append((0.0, 0.0))
    turns.append(sum(turns[::2]))
    cores.append(0.7 * radius)
    parts = (
        (1.0, flows.around_cylinder((0.0, 0.0), radius, 1.0)),
        (1.0, flows.lamb_oseen(centres, turns, cores)),
    )
    return turned(flows.Sum(parts), centre, angle)


def turned(flow: Flow, centre: flows.Point, angle: float) -> Flow:
    """The flow about (0, 0), moved to the centre and turned clockwise (as seen) by the angle."""
    c, s = math.cos(angle), math.sin(angle)

    def result(y: Tensor, x: Tensor) -> Displacement:
        dy, dx = y - centre[0], x - centre[1]
        u, v = flow(c * dy - s * dx, c * dx + s * dy)
        return c * u - s * v, s * u + c * v

    return result


@dataclass(frozen=True, eq=False, slots=True)
class Damped:
    r"""No slip: a flow times :math:`1 - e^{-(n/l)^2}`, n the distance to the body, 0 inside."""

    flow: Flow
    body: shapes.Shape
    length: float

    def _factor(self, y: Tensor, x: Tensor) -> Tensor:
        n = self.body.distance(y, x).clamp_min(0)
        return -torch.expm1(-((n / self.length) ** 2))

    def __call__(self, y: Tensor, x: Tensor) -> Displacement:
        """Displacement at points."""
        factor = self._factor(y, x)
        u, v = self.flow(y, x)
        return factor * u, factor * v

    def on_grid(self, shape: tuple[int, int], device: str) -> Tensor:
        """Displacement at every pixel, (2, H, W)."""
        return self._factor(*flows.axes(shape, device)) * flows.on_grid(self.flow, shape, device)


@dataclass(frozen=True, eq=False, slots=True)
class Mirrored:
    """A flow with left and right of an image exchanged."""

    flow: Flow
    width: int

    def __call__(self, y: Tensor, x: Tensor) -> Displacement:
        """Displacement at points."""
        u, v = self.flow(y, self.width - 1 - x)
        return -u, v

    def on_grid(self, shape: tuple[int, int], device: str) -> Tensor:
        """Displacement at every pixel, (2, H, W)."""
        if shape[1] != self.width:
            u, v = self(*flows.axes(shape, device))
            return torch.stack((u, v))
        u, v = flows.on_grid(self.flow, shape, device).flip(-1)
        return torch.stack((-u, v))


def _mirrored(flow: Flow, body: shapes.Shape, width: int) -> tuple[Flow, shapes.Shape]:
    """Flow and body with left and right exchanged."""
    flipped = shapes.Shape(
        lambda y, x: body.distance(y, width - 1 - x), {"kind": "mirrored", "of": body.record}
    )
    return Mirrored(flow, width), flipped
