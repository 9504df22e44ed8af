"""Draw post.png: what piv.post makes of two of the sample pairs.

python docs/figures/post.py               # from the repository's folder
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import piv
from piv import plot, post

HERE = Path(__file__).resolve().parent
SAMPLES = HERE.parents[1] / "sample_images"


def field_of(name: str, mask: str | None = None) -> piv.VectorField:
    """The dense field of a sample pair."""
    pair = piv.read_pair(
        SAMPLES / f"{name}_a.tif", SAMPLES / f"{name}_b.tif", mask=mask and SAMPLES / mask
    )
    return piv.analyse(pair).field


def main() -> None:
    """Two rows: a wake, and a wing-tip vortex."""
    wake = field_of("cylinder_wake", "cylinder_wake_mask.tif")
    tip = field_of("wingtip_vortex")
    with plot.style():
        drawing = Figure(figsize=(10.2, 5.0), layout="constrained")
        FigureCanvasAgg(drawing)
        drawing.get_layout_engine().set(w_pad=0.08)
        axes = drawing.subplots(2, 3)
        gradient = post.velocity_gradient(wake, scheme="richardson")
        vortices = post.find_vortices(wake, smoothing=4, minimum_area=150)
        moving = post.subtract_velocity(wake, (float(np.nanmedian(wake.u)), 0.0))
        plot.plot_vorticity(axes[0, 0], wake)
        plot.mark_vortices(axes[0, 0], wake, vortices, circulation=False)
        axes[0, 0].set_title("vorticity, vortices found")
        plot.plot_scalar(
            axes[0, 1], wake, post.q_criterion(gradient), "Q (px²/px²)", diverging=True
        )
        axes[0, 1].set_title("Q, richardson scheme")
        plot.plot_magnitude(axes[0, 2], moving)
        plot.plot_streamlines(axes[0, 2], moving, colour="white", width=0.5)
        axes[0, 2].set_title("streamlines, seen from the median velocity")

        for vortex in vortices:
            print(vortex)
        vortices = post.find_vortices(tip, smoothing=4, minimum_area=150)
        plot.plot_vorticity(axes[1, 0], tip)
        plot.plot_vectors(axes[1, 0], tip, colour="0.25", distance=0.15)
        plot.mark_vortices(axes[1, 0], tip, vortices)
        axes[1, 0].set_title("vorticity, vectors, vortex found")
        swirl = post.swirling_strength(tip, scheme="richardson")
        plot.plot_scalar(axes[1, 1], tip, swirl, "swirling strength (px/px)", colours="magma")
        axes[1, 1].set_title("swirling strength, richardson scheme")
        plot.plot_magnitude(axes[1, 2], tip)
        plot.plot_texture(axes[1, 2], tip, np.random.default_rng(0), strength=0.45)
        axes[1, 2].set_title("line integral convolution over the speed")
        for each in axes.flat:
            each.label_outer()
    drawing.savefig(HERE / "post.png", dpi=130)
    for vortex in vortices:
        print(vortex)


if __name__ == "__main__":
    main()
