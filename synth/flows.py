r"""Displacement fields with a formula.

A flow is a function of any points (y, x) in px that gives the displacement (u, v) in px between the
two frames, at mid-time, v positive **down**.  Fields that come from a stream function have
:math:`u = \partial_y \psi,\ v = -\partial_x \psi` and no divergence.  ``y`` and ``x`` are float
tensors that broadcast against each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

Displacement: TypeAlias = tuple[Tensor, Tensor]
Flow: TypeAlias = Callable[[Tensor, Tensor], Displacement]
Point: TypeAlias = tuple[float, float]  # (y, x), px


def axes(shape: tuple[int, int], device: str = "cpu") -> tuple[Tensor, Tensor]:
    """Pixel-centre coordinates y (H, 1) and x (1, W)."""
    height, width = shape
    y = torch.arange(height, dtype=torch.float32, device=device)[:, None]
    x = torch.arange(width, dtype=torch.float32, device=device)[None, :]
    return y, x


def on_grid(flow: Flow, shape: tuple[int, int], device: str = "cpu") -> Tensor:
    """The flow at every pixel, shape (2, H, W); sampled fields know a faster way."""
    if isinstance(flow, Sum):
        return sum(
            (weight * on_grid(part, shape, device) for weight, part in flow.parts),
            start=torch.zeros(2, *shape, device=device),
        )
    fast = getattr(flow, "on_grid", None)
    if fast is not None:
        grid: Tensor = fast(shape, device)
        return grid
    u, v = flow(*axes(shape, device))
    return torch.stack((u.expand(shape), v.expand(shape)))


@dataclass(frozen=True, eq=False, slots=True)
class Sum:
    """Weighted sum of flows, as pairs of (weight, flow)."""

    parts: tuple[tuple[float, Flow], ...]

    def __call__(self, y: Tensor, x: Tensor) -> Displacement:
        """Displacement at points."""
        u = v = torch.zeros((), device=y.device)
        for weight, flow in self.parts:
            du, dv = flow(y, x)
            u, v = u + weight * du, v + weight * dv
        return u, v


def uniform(u: float, v: float) -> Flow:
    r"""Translation: :math:`\mathbf d = (u, v)`."""
    return linear((0.0, 0.0), ((0.0, 0.0), (0.0, 0.0)), (u, v))


def linear(
    centre: Point,
    gradient: tuple[tuple[float, float], tuple[float, float]],
    mean: tuple[float, float] = (0.0, 0.0),
) -> Flow:
    r"""First order: :math:`\mathbf d = \mathbf m + G (\mathbf x - \mathbf c)`.

    ``gradient`` is ((du/dx, du/dy), (dv/dx, dv/dy)) in px/px.
    """
    (u_x, u_y), (v_x, v_y) = gradient

    def flow(y: Tensor, x: Tensor) -> Displacement:
        dy, dx = y - centre[0], x - centre[1]
        return mean[0] + u_x * dx + u_y * dy, mean[1] + v_x * dx + v_y * dy

    return flow


def shear(centre: Point, rate: float, angle: float) -> Flow:
    r"""Simple shear along the direction :math:`\mathbf e`: :math:`\dot\gamma\, n\, \mathbf e`.

    :math:`n` is the distance from the line through the centre along ``angle`` (rad).
    """
    c, s = math.cos(angle), math.sin(angle)
    return linear(centre, ((-rate * c * s, rate * c * c), (-rate * s * s, rate * s * c)))


def stagnation(centre: Point, rate: float, angle: float) -> Flow:
    r"""Plane strain: :math:`\mathbf d = a\,(\xi \mathbf e_\xi - \eta \mathbf e_\eta)`."""
    c, s = rate * math.cos(2 * angle), rate * math.sin(2 * angle)
    return linear(centre, ((c, s), (s, -c)))


def rotation(centre: Point, rate: float) -> Flow:
    r"""Rigid rotation: :math:`\mathbf d = \Omega (-(y - y_c), x - x_c)`, clockwise as seen."""
    return linear(centre, ((0.0, -rate), (rate, 0.0)))


def rankine(centre: Point, speed: float, radius: float) -> Flow:
    r"""Rankine vortex: :math:`u_\theta = V r / R` inside the core, :math:`V R / r` outside."""

    def flow(y: Tensor, x: Tensor) -> Displacement:
        dy, dx = y - centre[0], x - centre[1]
        turn = speed * radius / (dy**2 + dx**2).clamp_min(radius**2)
        return -turn * dy, turn * dx

    return flow


def lamb_oseen(
    centres: Sequence[Point], circulations: Sequence[float], cores: Sequence[float]
) -> Flow:
    r"""Vortices: :math:`u_\theta = \frac{\Gamma}{2\pi r} (1 - e^{-r^2 / r_c^2})`, summed.

    Circulations in px^2 per frame interval, core radii in px.
    """

    def flow(y: Tensor, x: Tensor) -> Displacement:
        u = v = torch.zeros((), device=y.device)
        for (y_c, x_c), circulation, core in zip(centres, circulations, cores, strict=True):
            dy, dx = y - y_c, x - x_c
            r2 = (dy**2 + dx**2).clamp_min(1e-6 * core**2)
            turn = -torch.expm1(-r2 / core**2) / r2 * (circulation / (2 * math.pi))
            u, v = u - turn * dy, v + turn * dx
        return u, v

    return flow


def taylor_green(centre: Point, amplitude: float, wavelength: float, angle: float = 0.0) -> Flow:
    r"""Array of vortices, :math:`\psi = \frac{A}{k} \cos k\xi \cos k\eta,\ k = 2\pi/\lambda`."""
    k, c, s = 2 * math.pi / wavelength, math.cos(angle), math.sin(angle)

    def flow(y: Tensor, x: Tensor) -> Displacement:
        dy, dx = y - centre[0], x - centre[1]
        xi, eta = k * (c * dx + s * dy), k * (c * dy - s * dx)
        along = -amplitude * torch.cos(xi) * torch.sin(eta)
        across = amplitude * torch.sin(xi) * torch.cos(eta)
        return c * along - s * across, s * along + c * across

    return flow


def sine(amplitude: float, wavelength: float, angle: float, phase: float) -> Flow:
    r"""Sinusoidal shear: :math:`\mathbf d = A \sin(2\pi n/\lambda + \varphi)\,\mathbf e`.

    :math:`\mathbf e` points along ``angle``, :math:`n` is counted across it.
    """
    c, s = math.cos(angle), math.sin(angle)

    def profile(n: Tensor) -> Tensor:
        return amplitude * torch.sin(2 * math.pi / wavelength * n + phase)

    def flow(y: Tensor, x: Tensor) -> Displacement:
        d = profile(c * y - s * x)
        return c * d, s * d

    return flow


def overtones(
    amplitude: float,
    wavelength: float,
    angle: float,
    phase: float,
    parts: Sequence[tuple[int, float, float]],
) -> Flow:
    r"""Shear of any periodic profile: :func:`sine` with parts (k, a, phi) of wavelength lambda/k.

    :math:`\frac{A}{\sqrt{1 + \sum a^2}} [\sin(\kappa n + \varphi) + \sum a \sin(k (\kappa n +
    \varphi) + \phi)],\ \kappa = 2\pi/\lambda`: with the rms of the sine alone.
    """
    scale = amplitude / math.sqrt(1.0 + sum(a**2 for _, a, _ in parts))

    def profile(n: Tensor) -> Tensor:
        turn = 2 * math.pi / wavelength * n + phase
        whole = torch.sin(turn)
        for k, a, shift in parts:
            whole = whole + a * torch.sin(k * turn + shift)
        return scale * whole

    return parallel(profile, (0.0, 0.0), angle)


def triangle(amplitude: float, wavelength: float, angle: float, phase: float) -> Flow:
    r"""Shear with straight flanks: :func:`sine` with :math:`\frac{2}{\pi}\arcsin\sin`."""
    wave = sine(1.0, wavelength, 0.0, phase)

    def profile(n: Tensor) -> Tensor:
        return amplitude * 2 / math.pi * torch.asin(wave(n, torch.zeros_like(n))[0].clamp(-1, 1))

    return parallel(profile, (0.0, 0.0), angle)


def step(origin: Point, jump: float, thickness: float, angle: float) -> Flow:
    r"""Shear layer :math:`\frac{J}{2}\tanh\frac{n}{\delta}`; with no thickness a vortex sheet."""

    def profile(n: Tensor) -> Tensor:
        return jump / 2 * (torch.tanh(n / thickness) if thickness > 0 else torch.sign(n))

    return parallel(profile, origin, angle)


def parallel(profile: Callable[[Tensor], Tensor], origin: Point, angle: float) -> Flow:
    r"""Parallel flow: :math:`\mathbf d = f(n)\,\mathbf e`, n counted across from the origin."""
    c, s = math.cos(angle), math.sin(angle)

    def flow(y: Tensor, x: Tensor) -> Displacement:
        d = profile(c * (y - origin[0]) - s * (x - origin[1]))
        return c * d, s * d

    return flow


def poiseuille(origin: Point, half_width: float, peak: float, angle: float = 0.0) -> Flow:
    r"""Channel: :math:`U (1 - n^2/h^2)` between the walls at :math:`n = \pm h`, zero beyond."""
    return parallel(lambda n: peak * (1 - (n / half_width) ** 2).clamp_min(0), origin, angle)


def laminar_layer(origin: Point, thickness: float, speed: float, angle: float = 0.0) -> Flow:
    r"""Laminar boundary layer, Pohlhausen's profile close to Blasius's.

    :math:`U (2\eta - 2\eta^3 + \eta^4)`, :math:`\eta = \min(n/\delta, 1)`; the wall is at n = 0,
    zero behind it.
    """

    def profile(n: Tensor) -> Tensor:
        eta = (n / thickness).clamp(0, 1)
        return speed * (2 * eta - 2 * eta**3 + eta**4)

    return parallel(profile, origin, angle)


def turbulent_layer(
    origin: Point, friction: float, wall_unit: float, speed: float, angle: float = 0.0
) -> Flow:
    r"""Mean turbulent boundary layer, Reichardt's law (ZAMM 31, 1951).

    :math:`u^+ = \ln(1 + 0.4 n^+)/0.4 + 7.8 (1 - e^{-n^+/11} - \frac{n^+}{11} e^{-0.33 n^+})` with
    :math:`n^+ = n / l` (``wall_unit``, px), times ``friction`` (px), capped at ``speed``.
    """

    def profile(n: Tensor) -> Tensor:
        plus = (n / wall_unit).clamp_min(0)
        buffer = 1 - torch.exp(-plus / 11) - plus / 11 * torch.exp(-0.33 * plus)
        return (friction * (torch.log1p(0.4 * plus) / 0.4 + 7.8 * buffer)).clamp_max(speed)

    return parallel(profile, origin, angle)


def bickley(origin: Point, width: float, peak: float, swing: float, wavelength: float) -> Flow:
    r"""Plane jet along x that may meander, :math:`\psi = U b \tanh \frac{y - c(x)}{b}`.

    :math:`u = U\,\mathrm{sech}^2,\ v = c' u` with :math:`c = y_0 + A \sin(2\pi (x - x_0)/\lambda)`.
    """
    k = 2 * math.pi / wavelength

    def flow(y: Tensor, x: Tensor) -> Displacement:
        centre = origin[0] + swing * torch.sin(k * (x - origin[1]))
        u = peak * (1 - torch.tanh((y - centre) / width) ** 2)
        return u, swing * k * torch.cos(k * (x - origin[1])) * u

    return flow


def stuart(origin: Point, speed: float, wavelength: float, concentration: float) -> Flow:
    r"""Stuart's vortices of a mixing layer (J. Fluid Mech. 29, 1967).

    :math:`\psi = \frac{U}{k} \ln(\cosh k\eta + \epsilon \cos k\xi)`; :math:`\epsilon` = 0 is the
    tanh layer, towards 1 a row of point vortices.
    """
    k = 2 * math.pi / wavelength

    def flow(y: Tensor, x: Tensor) -> Displacement:
        # cosh and sinh overflow far from the layer, where the flow is uniform anyway
        eta, xi = (k * (y - origin[0])).clamp(-30, 30), k * (x - origin[1])
        below = torch.cosh(eta) + concentration * torch.cos(xi)
        return speed * torch.sinh(eta) / below, speed * concentration * torch.sin(xi) / below

    return flow


def separated_layer(
    corner: Point, speed: float, width: float, growth: float, descent: float
) -> Flow:
    r"""Shear layer that leaves an edge and grows downstream (along x), fast above, still below.

    :math:`\psi = \frac{U}{2} (n - b \ln\cosh\frac{n}{b})` with :math:`n = y - y_0 - \beta s`
    downwards, :math:`b = b_0 + \alpha s`, and :math:`s = \max(x - x_0, 0)` rounded at the edge.
    """

    def flow(y: Tensor, x: Tensor) -> Displacement:
        dx = x - corner[1]
        root = torch.sqrt(dx**2 + width**2)
        s, s_x = (dx + root) / 2, (1 + dx / root) / 2
        b = width + growth * s
        xi = (y - corner[0] - descent * s) / b
        tanh = torch.tanh(xi)
        log_cosh = xi.abs() + torch.log1p(torch.exp(-2 * xi.abs())) - math.log(2)
        u = speed / 2 * (1 - tanh)
        b_x, n_x = growth * s_x, descent * s_x
        v = speed / 2 * (n_x + b_x * log_cosh - tanh * (n_x + xi * b_x))
        return u, v

    return flow


def around_cylinder(centre: Point, radius: float, speed: float) -> Flow:
    r"""Potential flow along x around a cylinder, :math:`\psi = U y (1 - R^2/r^2)`; zero inside."""

    def flow(y: Tensor, x: Tensor) -> Displacement:
        dy, dx = y - centre[0], x - centre[1]
        r2 = (dy**2 + dx**2).clamp_min(1e-3)
        outside = (r2 >= radius**2).to(r2.dtype)
        ratio = radius**2 / r2**2
        u = speed * (1 - ratio * (dx**2 - dy**2)) * outside
        return u, -2 * speed * ratio * dx * dy * outside

    return flow
