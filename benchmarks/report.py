r"""Tables (of the targets first) and figures for docs/accuracy.md, from results written before.

python accuracy.py --split test --pairs 20 --source synth:evaluation --only others --floors \
   --pivtools --name evaluation-others --output results/test
   ... likewise `robustness` and `resolution`; then, in the folder results/test,
piv evaluate --split test --test-set evaluation --pairs 20 -o evaluation   (likewise the others)
piv evaluate --split test --test-set resolution --pairs 20 --classes uniform15 ... -o uniform
python report.py --figures ../docs/figures --page ../docs/accuracy.md

In the page every table stands below a line ``<!-- table: NAME -->`` and is replaced.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

FLOWS = ("turbulence", "sqg", "wake", "separated", "wall", "vortex")
SETS = ("evaluation", "robustness", "resolution")
OWN = ("coarse", "dense", "best")
SWEPT = ("coarse", "dense")  # what `piv evaluate` scores
COLOURS = {
    "coarse": "tab:gray",
    "dense": "tab:blue",
    "best": "navy",
    "OpenPIV defaults": "tab:pink",
    "OpenPIV sharp": "tab:red",
    "OpenPIV smooth": "tab:orange",
    "OpenCV DIS": "tab:purple",
    "PIVTOOLs": "tab:cyan",
    "floor: particles": "tab:green",
    "floor: window": "tab:olive",
    "floor: Cramer-Rao": "tab:brown",
}
# factor -> (class, value); the base is a case of each
FACTORS = {
    "read noise (% of a peak)": [("noise00", 0), ("base", 1), ("noise05", 5), ("noise10", 10),
                                 ("noise20", 20)],
    "out-of-plane loss (%)": [("loss00", 0), ("base", 5), ("loss10", 10), ("loss20", 20),
                              ("loss30", 30)],
    "density (particles per px)": [("density001", 0.01), ("density002", 0.02), ("base", 0.05),
                                   ("density010", 0.1), ("density015", 0.15)],
    "diameter (px)": [("diameter10", 1), ("diameter15", 1.5), ("base", 2.5), ("diameter40", 4),
                      ("diameter60", 6)],
    "divergent part over the rest (rms)": [("base", 0), ("divergent02", 0.2),
                                           ("divergent045", 0.45), ("divergent10", 1)],
}  # fmt: skip
Values = dict[tuple[str, str], dict[str, float]]  # (method, class) -> figures


def read(*paths: Path) -> Values:
    """Rows of ``accuracy.py`` or of ``piv evaluate``, from one file or several."""
    found: Values = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                kept = {}
                for name, text in row.items():
                    if name not in ("method", "class", "source", "split", "about") and text:
                        kept[name] = float(text)
                found[row["method"], row["class"]] = kept
    return found


def as_beside(scored: Values) -> Values:
    """Rows of ``piv evaluate`` as ``accuracy.py`` calls them."""
    return {
        key: {("gain" if name == "wavelength_response" else name): v for name, v in found.items()}
        for key, found in scored.items()
        if key[0] in SWEPT
    }


def kinds_of(values: Values) -> list[str]:
    """Classes in their order; rows over all classes left out."""
    return [k for k in dict.fromkeys(kind for _, kind in values) if " " not in k]


def peers_of(values: Values) -> list[str]:
    """The other programs."""
    methods = dict.fromkeys(method for method, _ in values)
    return [m for m in methods if m not in OWN and not m.startswith("floor")]


def ratio(values: Values, kind: str, figure: str = "vector_rms") -> float:
    """Ours over the best peer's on one class."""
    best = min(values[peer, kind][figure] for peer in peers_of(values))
    return values["dense", kind][figure] / best


def mean(numbers: Iterable[float]) -> float:
    """Geometric mean."""
    return float(np.exp(np.mean(np.log(list(numbers)))))


def targets(beside: dict[str, Values], scored: dict[str, Values], sweeps: Path) -> list[list[str]]:
    """Target, measured, met or not."""
    base, robust, fine = (beside[name] for name in SETS)
    rows: list[list[str]] = []

    def add(what: str, target: str, measured: str, met: bool) -> None:
        rows.append([what, target, measured, "yes" if met else "**no**"])

    flows = [kind for kind in FLOWS if ("dense", kind) in base]
    ours = mean(base["dense", kind]["vector_rms"] for kind in flows)
    best = min(mean(base[p, k]["vector_rms"] for k in flows) for p in peers_of(base))
    add(f"flow classes ({', '.join(flows)}): geometric mean over the best peer's", "<= 0.33",
        f"{ours / best:.3f} ({ours:.4f} / {best:.4f} px)", ours / best <= 0.33)  # fmt: skip
    worst = max(flows, key=lambda kind: ratio(base, kind))
    add("flow classes: each class over the best peer's", "<= 0.5",
        f"up to {ratio(base, worst):.2f} ({worst})", ratio(base, worst) <= 0.5)  # fmt: skip
    for name in SETS:
        values = beside[name]
        above = [
            kind
            for kind in kinds_of(values)
            if values["dense", kind]["vector_rms"] > values["floor: window", kind]["vector_rms"]
        ]
        shown = ", ".join(above) if above else "all"
        number = len(kinds_of(values)) - len(above)
        add(f"below the best-uniform-window floor, `{name}`", "every class",
            f"{number} of {len(kinds_of(values))}" + (f"; not {shown}" if above else ""),
            not above)  # fmt: skip
    large, outliers = ratio(base, "large"), base["dense", "large"]["outlier_share"]
    add("displacement to 25 px: over the best peer's", "<= 0.5", f"{large:.2f}", large <= 0.5)
    add("displacement to 25 px: errors > 1 px", "<= 0.1 %", f"{outliers:.2%}", outliers <= 1e-3)
    ratios = {kind: ratio(robust, kind) for kind in kinds_of(robust)}
    # the targets are for conditions of the images, not for other flows
    cases = [kind for kind in ratios if not kind.startswith("divergent")]
    average = float(np.mean([ratios[kind] for kind in cases]))
    add(
        "robustness, conditions of the images: mean over the best peer's",
        "<= 0.4",
        f"{average:.2f}",
        average <= 0.4,
    )
    over = [kind for kind in cases if ratios[kind] > 0.7]
    worst = max(cases, key=ratios.__getitem__)
    add("robustness: no case above", "<= 0.7 of the best peer's",
        f"up to {ratios[worst]:.3f} ({worst})"
        + (f"; above: {', '.join(over)}" if over else ""), not over)  # fmt: skip
    divergent = {**{k: r for k, r in ratios.items() if k not in cases},
                 **{k: ratio(base, k) for k in kinds_of(base) if k == "plane"}}  # fmt: skip
    if divergent:
        lowest, highest = (pick(divergent, key=divergent.__getitem__) for pick in (min, max))
        rows.append(["flows with divergence: each over the best peer's", "(none was set)",
                     f"{divergent[lowest]:.2f} ({lowest}) to {divergent[highest]:.2f} ({highest})",
                     "-"])  # fmt: skip
    gains = {
        (match[1], int(match[2])): fine["dense", kind]["gain"]
        for kind in kinds_of(fine)
        if (match := re.fullmatch(r"(sine|triangle)(\d+)", kind))
    }
    long = [gain for (_, length), gain in gains.items() if length >= 16]
    add("gain of sines and triangular waves from 16 px up at 0.08 ppp", "0.95-1.05",
        f"{min(long):.3f}-{max(long):.3f}", min(long) >= 0.95 and max(long) <= 1.05)  # fmt: skip
    shortest = min(gains["sine", 12], gains["triangle", 12])
    add("gain at 12 px", ">= 0.85", f"{shortest:.3f}", shortest >= 0.85)
    for kind in ("step0", "step2"):
        share = scored["resolution"]["dense", kind]["overshoot"]
        add(f"ringing on the step, `{kind}`", "<= 5 %", f"{share:.1%}", share <= 0.05)
    for kind, limit in (("uniform22", 0.005), ("uniform15", 0.008)):
        half = half_range(sweeps, kind, "dense")
        add(f"uniform flow, diameter {int(kind[-2:]) / 10}: half range of the bias",
            f"<= {limit} px", f"{half:.4f} px", half <= limit)  # fmt: skip
    figures = scored["uniform"]["dense", "uniform22"]
    random = float(np.hypot(figures["rms_u"], figures["rms_v"]) / np.sqrt(2))
    add("uniform flow, diameter 2.2: random error of a component", "<= 0.015 px",
        f"{random:.4f} px", random <= 0.015)  # fmt: skip
    linear = base["dense", "linear"]["vector_rms"]
    add("linear flows", "<= 0.03 px", f"{linear:.3f} px", linear <= 0.03)
    rows += intervals(scored)
    return rows


def intervals(scored: dict[str, Values]) -> list[list[str]]:
    """The targets of the stated uncertainty, over the classes of all sets."""
    rows = []
    classes = [
        (name, kind, scored[name]["dense", kind])
        for name in SETS  # the sweeps of uniform flow are classes of one of them
        for kind in kinds_of(scored[name])
        if "coverage" in scored[name]["dense", kind]
    ]
    for figure, low, high, what in (
        ("coverage", 0.63, 0.73, "errors within the 68.3 % interval, a class"),
        ("coverage_95", 0.92, 0.97, "errors within the 95 % interval, a class"),
    ):
        inside = [low <= found[figure] <= high for *_, found in classes]
        ends = sorted((found[figure], f"{name}/{kind}") for name, kind, found in classes)
        measured = (
            f"{sum(inside)} of {len(inside)} classes; {ends[0][0]:.1%} ({ends[0][1]}) to "
            f"{ends[-1][0]:.1%} ({ends[-1][1]})"
        )
        rows.append([what, f"{low:.0%}-{high:.0%}", measured, _met(all(inside))])
    lows = sorted((found["coverage_low"], f"{name}/{kind}") for name, kind, found in classes)
    highs = sorted((found["coverage_high"], f"{name}/{kind}") for name, kind, found in classes)
    measured = f"{lows[0][0]:.0%} ({lows[0][1]}) to {highs[-1][0]:.0%} ({highs[-1][1]})"
    met = lows[0][0] >= 0.55 and highs[-1][0] <= 0.8
    rows.append(["errors within the 68.3 % interval, any single pair", "55-80 %", measured,
                 _met(met)])  # fmt: skip
    for name in SETS:
        rank = scored[name]["dense", "all classes pooled"]["rank_correlation"]
        rows.append([f"rank correlation with the error, mixed pairs of `{name}`", ">= 0.4",
                     f"{rank:.2f}", _met(rank >= 0.4)])  # fmt: skip
    return rows


def summary(values: Values, scored: Values) -> list[list[str]]:
    """A line for each class: vector rms beside the best peer and the floors, and the intervals."""
    lines = [
        ["class", "coarse", "dense", "preset best", "best peer", "ratio", "best window",
         "Cramer-Rao", "particles", "> 1 px", "within 68.3 %", "pairs from to", "within 95 %",
         "rank corr."],
        ["---"] * 14,
    ]  # fmt: skip
    if not any(method == "best" for method, _ in values):
        lines = [[cell for n, cell in enumerate(line) if n != 3] for line in lines]
    for kind in kinds_of(values):
        best = min(peers_of(values), key=lambda peer: values[peer, kind]["vector_rms"])
        rms = {method: found["vector_rms"] for (method, k), found in values.items() if k == kind}
        dense = scored["dense", kind]
        floors = [rms.get(f"floor: {name}") for name in ("window", "Cramer-Rao", "particles")]
        lines.append([
            kind, f"{rms['coarse']:.3f}", f"{rms['dense']:.3f}",
            *([f"{rms['best']:.3f}"] if "best" in rms else []), f"{rms[best]:.3f} ({best})",
            f"{rms['dense'] / rms[best]:.2f}",
            *("-" if floor is None else f"{floor:.3f}" for floor in floors),
            f"{values['dense', kind]['outlier_share']:.2%}", f"{dense['coverage']:.0%}",
            f"{dense['coverage_low']:.0%}-{dense['coverage_high']:.0%}",
            f"{dense['coverage_95']:.0%}", f"{dense['rank_correlation']:.2f}",
        ])  # fmt: skip
    return lines


def gains_table(values: Values) -> list[list[str]]:
    """Gain of every wave, a line for each method."""
    waves = [kind for kind in kinds_of(values) if "gain" in values["dense", kind]]
    methods = dict.fromkeys(method for method, _ in values if "gain" in values[method, waves[0]])
    lines = [["gain", *waves], ["---"] * (1 + len(waves))]
    return lines + [
        [method, *(f"{values[method, kind]['gain']:.2f}" for kind in waves)] for method in methods
    ]


def locking_table(scored: Values, sweeps: Path) -> list[list[str]]:
    """Bias and random error of uniform flow at every diameter."""
    lines = [["diameter", "field", "largest bias", "half range", "random error"], ["---"] * 5]
    for kind in kinds_of(scored):
        for method in SWEPT:
            found = points(sweeps, "bias", kind, method)
            figures = scored[method, kind]
            random = float(np.hypot(figures["rms_u"], figures["rms_v"]) / np.sqrt(2))
            lines.append([
                f"{int(kind[-2:]) / 10} px", method, f"{np.abs(found[:, 1]).max():.4f}",
                f"{half_range(sweeps, kind, method):.4f}", f"{random:.4f}",
            ])  # fmt: skip
    return lines


def with_table(page: str, name: str, lines: Sequence[str]) -> str:
    """The page with these lines in place of the table below the mark of that name."""
    mark = re.escape(f"<!-- table: {name} -->\n")
    found = re.search(rf"{mark}\n*((?:\|.*\n)+)", page)
    assert found is not None, f"the page has no table with the mark {name}"
    return page[: found.start(1)] + "\n".join(lines) + "\n" + page[found.end(1) :]


def _met(met: bool) -> str:
    return "yes" if met else "**no**"


def points(path: Path, sweep: str, kind: str, method: str) -> np.ndarray:
    """(varied, result) of one sweep, shape (N, 2)."""
    with path.open(encoding="utf-8", newline="") as file:
        found = [
            (float(row["varied"]), float(row["result"]))
            for row in csv.DictReader(file)
            if (row["sweep"], row["class"], row["method"]) == (sweep, kind, method)
        ]
    return np.array(found).reshape(-1, 2)


def half_range(path: Path, kind: str, method: str) -> float:
    """Half the range of the mean bias over tenths of a pixel."""
    place, means = binned(points(path, "bias", kind, method))
    assert place.size > 1, f"{path} has no sweep of {kind}"
    return float(np.ptp(means) / 2)


def binned(found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fractions of a pixel and the mean bias there, in tenths."""
    tenth = np.floor((found[:, 0] + 1e-5) % 1.0 * 10).astype(int)
    known = np.unique(tenth)
    return known / 10 + 0.025, np.array([found[tenth == n, 1].mean() for n in known])


def robustness_figure(values: Values) -> Figure:
    """Error over each factor that has several values, and of the other cases."""
    figure = Figure(figsize=(12.8, 9.6), layout="constrained", dpi=120)
    axes = figure.subplot_mosaic([["0", "1"], ["2", "3"], ["4", "others"]])
    methods = list(dict.fromkeys(method for method, _ in values))
    for n, (name, cases) in enumerate(FACTORS.items()):
        ax = axes[str(n)]
        for method in methods:
            _line(ax, method, [v for _, v in cases],
                  [values[method, kind]["vector_rms"] for kind, _ in cases])  # fmt: skip
        _logarithmic(ax, "vector rms (px)")
        ax.set(xlabel=name)
    done = {kind for cases in FACTORS.values() for kind, _ in cases} - {"base"}
    others = [kind for kind in kinds_of(values) if kind not in done]
    for method in methods:
        _line(axes["others"], method, range(len(others)),
              [values[method, kind]["vector_rms"] for kind in others], joined=False)  # fmt: skip
    axes["others"].set_xticks(range(len(others)), others, rotation=40, ha="right")
    _logarithmic(axes["others"], "vector rms (px)")
    figure.legend(*axes["0"].get_legend_handles_labels(), loc="outside upper center", ncols=5,
                  frameon=False)  # fmt: skip
    return figure


def resolution_figure(values: Values, sweeps: Path) -> Figure:
    """Gain over the wavelength, and the response to a step."""
    figure = Figure(figsize=(12.8, 4.8), layout="constrained", dpi=120)
    left, right = figure.subplots(1, 2)
    waves = [kind for kind in kinds_of(values) if re.fullmatch(r"sine\d+", kind)]
    for method in dict.fromkeys(method for method, _ in values):
        if "gain" in values[method, waves[0]]:
            _line(left, method, [int(kind[4:]) for kind in waves],
                  [values[method, kind]["gain"] for kind in waves])  # fmt: skip
    for level in (0.95, 1.05):
        left.axhline(level, color="0.6", linewidth=0.8)
    left.set(xlabel="wavelength (px)", ylabel="gain", xscale="log")
    left.set_xticks([int(kind[4:]) for kind in waves], [kind[4:].lstrip("0") for kind in waves])
    left.minorticks_off()
    left.legend(frameon=False, fontsize="small")
    for kind, dash in (("step0", "-"), ("step2", "--")):
        for method in SWEPT:
            found = points(sweeps, "step", kind, method)
            right.plot(*found.T, dash, color=COLOURS[method], label=f"{method}, {kind}")
    for level in (-0.05, 0.05, 0.95, 1.05):
        right.axhline(level, color="0.8", linewidth=0.8)
    right.set(xlabel="distance across the step (px)", ylabel="response", xlim=(-20, 20))
    right.legend(frameon=False, fontsize="small")
    return figure


def locking_figure(sweeps: Path, kinds: Sequence[str]) -> Figure:
    """Bias over the sub-pixel displacement at every diameter."""
    figure = Figure(figsize=(12.8, 3.2), layout="constrained", dpi=120)
    axes = figure.subplots(1, len(kinds), sharey=True)
    for ax, kind in zip(axes, kinds, strict=True):
        for method in SWEPT:
            found = points(sweeps, "bias", kind, method)
            ax.plot(found[:, 0] % 1, found[:, 1], ".", color=COLOURS[method], markersize=3)
            ax.plot(*binned(found), "-", color=COLOURS[method], label=method)
        ax.axhline(0, color="0.6", linewidth=0.8)
        ax.set(xlabel="sub-pixel part (px)", title=f"diameter {int(kind[-2:]) / 10} px")
    axes[0].set(ylabel="bias (px)")
    axes[0].legend(frameon=False, fontsize="small")
    return figure


def _line(
    ax: Axes, method: str, x: Iterable[float], y: Iterable[float], joined: bool = True
) -> None:
    floor = method.startswith("floor")
    style = {"linestyle": (":" if floor else "-") if joined else "none"}
    ax.plot(list(x), list(y), marker="_" if floor else "o", markersize=8 if floor else 4,
            color=COLOURS.get(method), label=method, **style)  # fmt: skip
    ax.grid(visible=True, color="0.93")


def _logarithmic(ax: Axes, label: str) -> None:
    """A logarithmic y axis with plain numbers."""
    ax.set(ylabel=label, yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def main() -> None:
    """Print the table of targets and write the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    results = Path(__file__).parent / "results"
    parser.add_argument("--results", type=Path, default=results / "test")
    parser.add_argument("--figures", type=Path, help="write the figures here")
    parser.add_argument("--page", type=Path, help="put the tables into this page")
    options = parser.parse_args()
    folder: Path = options.results
    scored = {name: read(folder / name / "evaluation.csv") for name in (*SETS, "uniform")}
    beside = {
        name: {**as_beside(scored[name]), **read(*sorted(folder.glob(f"{name}*.csv")))}
        for name in SETS
    }
    sweeps = folder / "uniform" / "sweeps.csv"
    heads = [["what", "target", "measured", "met"], ["---"] * 4]
    tables = {
        "targets": heads + targets(beside, scored, sweeps),
        **{name: summary(beside[name], scored[name]) for name in SETS},
        "gain of waves": gains_table(beside["resolution"]),
        "uniform flow": locking_table(scored["uniform"], sweeps),
    }
    written = {
        name: [f"| {' | '.join(line)} |" for line in lines] for name, lines in tables.items()
    }
    for name, lines in written.items():
        print("\n".join(["", name, "", *lines]))
    if options.page is not None:
        text = options.page.read_text(encoding="utf-8")
        for name, lines in written.items():
            text = with_table(text, name, lines)
        options.page.write_text(text, encoding="utf-8")
    if options.figures is not None:
        steps = folder / "resolution" / "sweeps.csv"
        kinds = kinds_of(scored["uniform"])
        options.figures.mkdir(parents=True, exist_ok=True)
        for name, figure in (
            ("robustness", robustness_figure(beside["robustness"])),
            ("resolution", resolution_figure(beside["resolution"], steps)),
            ("peak-locking", locking_figure(sweeps, kinds)),
        ):
            figure.savefig(options.figures / f"{name}.png")


if __name__ == "__main__":
    main()
