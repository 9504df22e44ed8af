"""Statistics of a series of results read from disk, beside xarray and pivpy on the same file.

python series_statistics.py               # 100 fields of 1024 x 1024, 1.3 GiB of disk
python series_statistics.py --fields 1000 --distinct 20 --cold --repeats 1   # 13 GiB

The table goes to results/series_statistics.md.  ``--distinct`` makes that many fields and stores
them by turns, already compressed: the file is made at the speed of the disk, and takes the readers
as long as any other.  ``--cold`` drops the file from the cache of the operating system before each
program (Linux), so that it is read from the disk.

Means, variances, their covariance, the counts and the mean square uncertainty, of vectors without
the flags MASKED, REPLACED and FALLBACK, each in a process of its own, whose largest memory is
measured.  pivpy knows neither flags nor uncertainty here: it reads two variables of five, and one
vector without a value spoils its point; its row is the time for that smaller task.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

OURS = """
from piv.io.store import open_results
from piv.post.statistics import statistics_of
flow = statistics_of(open_results(path), order=ORDER)
uu, vv = (flow.variance(c, ddof=0).raw for c in "uv")
u, uv, noise = flow.mean_u, flow.moments.central(1, 1), flow.noise_uu
"""
OURS_2, OURS_4 = OURS.replace("ORDER", "2"), OURS.replace("ORDER", "4")
XARRAY = """
import xarray
with xarray.open_dataset(path, group="dense", engine="h5netcdf") as data:
    data = data.load()
    good = (data.flags & 641) == 0
    us, vs = data.u.where(good).astype("f8"), data.v.where(good).astype("f8")
    u, uu, vv = us.mean("pair").values, us.var("pair").values, vs.var("pair").values
    uv = xarray.cov(us, vs, dim="pair", ddof=0).values
    noise = (data.uncertainty_u.where(good).astype("f8") ** 2).mean("pair").values
    good.sum("pair").values
"""
LAZY = XARRAY.replace('="h5netcdf")', '="h5netcdf", chunks={"pair": 8})')
LAZY = LAZY.replace("    data = data.load()\n", "")
DASK = "import dask\ndask.config.set(scheduler='single-threaded')\n" + LAZY
PIVPY = """
import xarray
from pivpy.io import stream_statistics
with xarray.open_dataset(path, group="dense", engine="h5netcdf") as data:
    found = stream_statistics(data.rename({"pair": "t"}))
u = uu = vv = uv = noise = None
"""
FRAME = """
import json, resource, sys, time
path = sys.argv[1]
import numpy as np, h5py
IMPORTS
begin, cpu = time.perf_counter(), time.process_time()
BODY
took, cpu = time.perf_counter() - begin, time.process_time() - cpu
unit = 2**20 if sys.platform == "darwin" else 2**10
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
def digest(a):
    return None if a is None else float(np.nanmean(a, dtype=float))
print(json.dumps([took, cpu, peak, [digest(a) for a in (u, uu, vv, uv, noise)]]))
"""
IN_MEMORY = "xarray, in memory"
PROGRAMS = {
    "piv, to order 2": OURS_2,
    "piv, to order 4, errors, convergence": OURS_4,
    IN_MEMORY: XARRAY,
    "xarray with dask, 8 fields a chunk": DASK,
    "pivpy stream_statistics: u and v only, no flags, no uncertainty": PIVPY,
}


def make(path: Path, count: int, size: tuple[int, int], distinct: int) -> None:
    """A run of smooth fields with noise, like those of the network."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "post"))
    from stored import analysis, moved

    from piv.io.results.packed import pack_analysis
    from piv.io.results.writer import ResultsWriter
    from piv.types import Flag, VectorField

    rng = np.random.default_rng(1)
    y, x = np.arange(size[0], dtype=float), np.arange(size[1], dtype=float)

    def field(number: int) -> VectorField:
        wave = 4 * np.sin(x / 40 + number) * np.cos(y[:, None] / 30)
        values = [wave + rng.normal(0, 0.05, size), 2 - wave + rng.normal(0, 0.05, size)]
        flags = np.zeros(size, np.uint16)
        flags[:20] = Flag.MASKED
        flags[rng.random(size) < 0.01] = Flag.FALLBACK
        u, v, du, dv = (
            a.astype(np.float32) for a in (*values, *rng.uniform(0.02, 0.1, (2, *size)))
        )
        return VectorField(x, y, u, v, flags, du, dv)

    example = analysis(field(0))
    pairs = [pack_analysis(analysis(field(n), n), 0) for n in range(distinct)]
    bytes_of = [sum(len(d) for parts in p.chunks.values() for _, d in parts) for p in pairs]
    needed, free = sum(bytes_of) / distinct * count, shutil.disk_usage(path.parent).free
    if 1.2 * needed > free:
        sys.exit(f"{needed / 2**30:.1f} GiB are needed in {path.parent}, {free / 2**30:.1f} free")
    names = [f"pair {n}" for n in range(count)]
    with ResultsWriter.create(
        path, count=count, template=example, provenance={"run": 1}, names=names
    ) as writer:
        for first in range(0, count, 10):
            some = range(first, min(first + 10, count))
            writer.write([moved(pairs[number % distinct], number) for number in some])


def drop_from_cache(path: Path) -> None:
    """Make the next reader go to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(name: str, path: Path) -> tuple[float, float, float, list[float | None]]:
    """Wall time s, processor time s, largest memory MiB, means of the results."""
    lines = PROGRAMS[name].splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    body = [line for line in lines if line not in imports]
    script = FRAME.replace("IMPORTS", "\n".join(imports)).replace("BODY", "\n".join(body))
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True, text=True, check=False, env={**os.environ, **THREADS},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    took, cpu, peak, digest = json.loads(done.stdout)
    return took, cpu, peak, digest


def main() -> None:
    """Make the file, time all by turns, write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fields", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=[1024, 1024], metavar=("H", "W"))
    parser.add_argument("--distinct", type=int, help="fields that differ (default: 20)", default=20)
    parser.add_argument("--cold", action="store_true", help="from the disk, not from its cache")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the file is made (default: temporary)")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    height, width = arguments.size
    distinct = min(arguments.distinct, arguments.fields)
    whole = 5 * arguments.fields * height * width * 4  # bytes, of five variables in memory
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    programs = [name for name in PROGRAMS if name != IN_MEMORY or 4 * whole < memory]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "run.h5"
        # in a process of its own: a child's largest memory begins with that of its parent
        maker = get_context("spawn").Process(
            target=make, args=(path, arguments.fields, (height, width), distinct)
        )
        maker.start()
        maker.join()
        if maker.exitcode:
            sys.exit(maker.exitcode)
        size = path.stat().st_size / 2**20
        found: dict[str, list[tuple[float, float, float]]] = {}
        digests: dict[str, list[float | None]] = {}
        for repeat in range(arguments.repeats + (not arguments.cold)):
            for name in programs:
                if arguments.cold:
                    drop_from_cache(path)
                try:
                    took, cpu, peak, digests[name] = measure(name, path)
                except RuntimeError as error:
                    print(f"{name}: {error}", file=sys.stderr)
                    continue
                print(f"{name}: {took:.1f} s, {cpu:.1f} s, {peak:.0f} MiB", file=sys.stderr)
                if repeat or arguments.cold:  # else the first round fills the cache
                    found.setdefault(name, []).append((took, cpu, peak))
    reference = digests["piv, to order 2"]
    for name, values in digests.items():
        for mine, its in zip(reference, values, strict=True):
            if its is not None and mine is not None and not np.isclose(mine, its, rtol=1e-4):
                print(f"{name} differs: {its}, not {mine}", file=sys.stderr)
    medians = {name: np.median(each, axis=0) for name, each in found.items()}
    base = medians["piv, to order 2"]
    lines = [
        f"# Statistics of {arguments.fields} fields of {height} x {width} vectors from disk",
        "",
        f"File {size:.0f} MiB (zlib level 1; {distinct} fields that differ, by turns), "
        f"{'read from the disk' if arguments.cold else 'in the disk cache'}; one thread; without "
        f"imports; medians of {arguments.repeats} runs by turns, {time.strftime('%Y-%m-%d')}"
        + ("" if IN_MEMORY in programs else "; too large to be read whole")
        + ". "
        + ", ".join(
            f"{package} {version(package)}"
            for package in ("numpy", "h5py", "xarray", "h5netcdf", "dask", "pivpy")
            if _installed(package)
        )
        + f". `python {' '.join(['series_statistics.py', *sys.argv[1:]])}`",
        "",
        "| program | time, s | processor, s | processor over ours | largest memory, MiB |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {took:.2f} | {cpu:.2f} | {cpu / base[1]:.2f} | {peak:.0f} |"
            for name, (took, cpu, peak) in medians.items()
        ),
    ]
    text = "\n".join(lines) + "\n"
    arguments.output.mkdir(exist_ok=True)
    (arguments.output / "series_statistics.md").write_text(text, encoding="utf-8")
    print(text)


def _installed(package: str) -> bool:
    from importlib.metadata import PackageNotFoundError

    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    main()
