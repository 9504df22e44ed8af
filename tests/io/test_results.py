"""The store of a run: what goes in comes out, for us and for others, whatever the order."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import stores
import xarray
from numpy.testing import assert_array_equal
from pairs import uniform_pair

import piv
from piv.errors import InputError, SettingsError
from piv.io import journal
from piv.io.results.layout import create_layout
from piv.io.results.reader import consistent
from piv.io.store import (
    PackedPair,
    ResultsWriter,
    estimate_bytes,
    open_results,
    pack_analysis,
    packed_failure,
    write_analysis,
)
from piv.pipeline import analyse, template
from piv.settings import OutputSettings, Settings, from_dict
from piv.types import Analysis, Calibration, VectorField

ALL = range(12)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system outlives these tests: nothing needs to be durable."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _same(a: VectorField, b: VectorField) -> None:
    for name in ("x", "y", "u", "v", "flags", "uncertainty_u", "uncertainty_v"):
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert_array_equal(one, other)
            assert one.dtype == other.dtype
    assert (a.units, a.y_axis, a.dt, set(a.extra)) == (b.units, b.y_axis, b.dt, set(b.extra))
    for name, values in a.extra.items():
        assert_array_equal(values, b.extra[name])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of twelve pairs, one of which has failed."""
    path = tmp_path_factory.mktemp("Lauf 渦") / "results.h5"
    mask = np.zeros((70, 300), bool)
    mask[:, 200:] = True
    options: dict[str, Any] = {
        "pairs": np.arange(100, 124, 2), "time": np.linspace(0, 1, 12), "mask": mask,
        "background": (np.arange(21000).reshape(70, 300).astype(np.uint16),),
    }  # fmt: skip
    with stores.create(path, **options) as writer:
        writer.write([stores.packed(n) for n in ALL])
    return path


def test_every_pair_comes_back(run: Path) -> None:
    results = open_results(run)
    assert len(results) == 12
    assert results.failed == [6]
    assert results.pending == []
    assert results.errors[6] == "no contrast 6"
    assert results.names[:2] == ["pair 0", "pair 1"]
    assert results.names[6] == "bad"
    assert results.sha256[5] == f"{5:064x}"
    assert results.pairs.tolist() == list(range(100, 124, 2))
    assert results.time is not None
    assert_array_equal(results.time, np.linspace(0, 1, 12))
    assert results.seconds[:3].tolist() == [0, 0.125, 0.25]
    assert results.quality["valid"][:3].tolist() == [90, 91, 92]
    assert np.isnan(results.quality["valid"][6])
    assert results.provenance == {"run": 1, **stores.COMMON}
    assert repr(results) == "<Results results.h5: 12 pairs, 11 done, 1 failed, 0 pending>"
    for position in results.done:
        wanted = stores.analysis(position)
        _same(results.field(position, "coarse"), wanted.coarse)
        _same(results.field(position), wanted.field)
        attrs = results.field(position, "coarse").attrs
        assert attrs == {"run": 1, **wanted.coarse.attrs, "input": wanted.provenance["input"]}
    _same(results.field(-1), stores.analysis(11).field)
    assert len(list(results)) == 11
    with pytest.raises(InputError, match="no field of pair 6: no contrast 6"):
        results.field(6)
    with pytest.raises(InputError, match=r"12 pair\(s\), numbered from 0: there is no 12"):
        results.field(12)


def test_the_same_values_whatever_the_order_and_the_transactions(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    wanted = stores.content(run)
    packed = [stores.packed(n) for n in ALL]
    order = np.random.default_rng(3).permutation(12)
    with stores.create(path) as writer:
        for n in order[:5]:
            writer.write([packed[n]])
    with ResultsWriter.open(path) as writer:
        writer.write([packed[n] for n in order[5:]])
    found = stores.content(path)
    for name, digest in wanted.items():
        if name.rpartition("/")[2] in found and name not in ("time", "mask", "background/a"):
            assert name.endswith("pair") or found[name] == digest, name


def test_the_records_of_many_pairs_stay_small(run: Path) -> None:
    with h5py.File(run) as store:
        records = store["coarse/record"].asstr()[()]
        assert json.loads(records[3]) == {"windows": [[64, 64], [32, 35]]}
        assert store["dense/record"].asstr()[3] == "{}"
        assert json.loads(store["dense"].attrs["provenance"]) == {"run": 1, **stores.COMMON}


def test_what_explains_only_one_pair_is_kept_with_it(tmp_path: Path) -> None:
    """Such as one that another machine of a cluster has computed."""
    path = tmp_path / "s.h5"
    other = stores.analysis(0)
    provenance = {**other.provenance, "device": "cuda"}
    with stores.create(path) as writer:
        writer.put(0, dataclasses.replace(other, provenance=provenance))
    assert piv.read_field(path).attrs["device"] == "cuda"


@pytest.mark.parametrize("group", ["coarse", "dense"])
def test_xarray_opens_the_groups_of_a_run_without_our_code(run: Path, group: str) -> None:
    with xarray.open_dataset(run, group=group, engine="h5netcdf") as data:
        assert data["u"].dims == ("pair", "y", "x")
        assert data["pair"].values.tolist() == list(range(100, 124, 2))
        wanted = stores.analysis(4)
        field = wanted.coarse if group == "coarse" else wanted.field
        assert_array_equal(data["u"].sel(pair=108), field.u)
        assert_array_equal(data["flags"].sel(pair=108), field.flags)
        assert np.isnan(data["u"].sel(pair=112)).all()  # failed
        assert data["u"].attrs["units"] == "px"
        assert data["flags"].attrs["flag_meanings"].startswith("masked ")
        assert json.loads(data.attrs["provenance"])["run"] == 1
    with open_results(run).to_xarray(group) as data:
        assert data.sizes["pair"] == 12
    with pytest.raises(InputError, match="no group 'fine'; it has dense, coarse"):
        open_results(run).to_xarray("fine")


def test_xarray_opens_the_rest_of_a_run_too(run: Path) -> None:
    with xarray.open_dataset(run, engine="h5netcdf") as data:
        assert data["status"].dims == data["time"].dims == ("pair",)
        assert data["mask"].dims == ("row", "column")
        assert data["mask"].values.sum() == 70 * 100
        assert len(data["mask"].attrs["sha256"]) == 64
    with xarray.open_dataset(run, group="background", engine="h5netcdf") as data:
        assert data["a"].values[1, 0] == 300
        assert "b" not in data
    with xarray.open_dataset(run, group="quality", engine="h5netcdf") as data:
        assert data["valid"].sel(pair=102) == 91


@pytest.mark.parametrize("shape", [(32, 40), (256, 256), (257, 513), (300, 90), (1, 700)])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8"])
def test_our_chunks_are_what_hdf5_itself_would_write(
    tmp_path: Path, shape: tuple[int, int], kind: str
) -> None:
    """Value by value, and byte by byte: also the chunks at the edges."""
    rng = np.random.default_rng(0)
    u, v = (np.round(rng.normal(0, 1, shape), 2).astype(kind) for _ in range(2))
    u[0, :3] = [np.nan, np.inf, -0.0]
    flags = rng.integers(0, 2**16, shape).astype(np.uint16)
    x, y = np.arange(float(shape[1])), np.arange(float(shape[0]))
    field = VectorField(x=x, y=y, u=u, v=v, flags=flags)
    path = tmp_path / "s.h5"
    write_analysis(path, Analysis(field, None))
    _same(
        piv.read_field(path),
        field.replace(u=u.astype(u.dtype.newbyteorder("<")), v=v.astype(v.dtype.newbyteorder("<"))),
    )
    with h5py.File(path) as store, h5py.File(tmp_path / "plain.h5", "w") as plain:
        for name, values in (("u", u), ("v", v), ("flags", flags)):
            ours = store["coarse"][name]
            theirs = plain.create_dataset(
                name, ours.shape, ours.dtype, chunks=ours.chunks, shuffle=True, compression="gzip",
                compression_opts=1,
            )  # fmt: skip
            theirs[0] = values
            assert ours.id.get_num_chunks() == theirs.id.get_num_chunks()
            for n in range(ours.id.get_num_chunks()):
                place = ours.id.get_chunk_info(n).chunk_offset
                (mask, one), (_, other) = (
                    each.id.read_direct_chunk(place) for each in (ours, theirs)
                )
                assert mask == 0
                assert len(one) == ours.id.get_chunk_info(n).size
                if np.all(np.array(place[1:]) + ours.chunks[1:] <= shape):
                    assert zlib.decompress(one) == zlib.decompress(other)  # but for the edges


def test_packing_is_deterministic_and_fit_to_be_sent() -> None:
    one, other = (pack_analysis(stores.analysis(3), 3, seconds=1.0) for _ in range(2))
    sent = pickle.loads(pickle.dumps(other))
    for name in ("position", "name", "sha256", "seconds", "error", "record", "chunks", "layout"):
        assert getattr(one, name) == getattr(other, name) == getattr(sent, name)
    assert one.nbytes == sum(len(data) for each in one.chunks.values() for _, data in each)


@pytest.mark.parametrize("calibration", [None, Calibration(2e-5, (11.0, 7.0))])
def test_a_stride_and_a_region_keep_their_vectors_and_places(
    tmp_path: Path, calibration: Calibration | None
) -> None:
    dense = stores.analysis(1).field.replace(
        x=np.arange(40.0, 340), y=np.arange(20.0, 90), flags=np.zeros(stores.DENSE, np.uint16)
    )
    if calibration is not None:
        dense = piv.calibrate(dense, calibration)
    output = {"stride": 3, "region": [100, 30, 50, 20]}
    whole = Analysis(
        stores.analysis(1).coarse, dense, {}, {"settings": {"output": output}, "input": {}}
    )
    path = tmp_path / "s.h5"
    write_analysis(path, whole)
    part = np.s_[10:30:3, 60:110:3]
    _same(
        piv.read_field(path),
        dense.replace(
            x=dense.x[part[1]], y=dense.y[part[0]], u=dense.u[part], v=dense.v[part],
            flags=dense.flags[part], uncertainty_u=dense.uncertainty_u[part],
            uncertainty_v=dense.uncertainty_v[part],
        ),
    )  # fmt: skip
    _same(piv.read_field(path, "coarse"), whole.coarse)


@pytest.mark.parametrize("region", [(0, 0, 301, 10), (299, 69, 1, 2), (290, 0, 11, 70)])
def test_a_region_that_leaves_the_field_is_refused(region: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"output\.region .* leaves the dense field"):
        pack_analysis(stores.analysis(1), 0, OutputSettings(region=region))
    with pytest.raises(InputError, match="leaves the dense field"):
        stores.create(tmp_path / "s.h5", output=OutputSettings(region=region))
    assert list(tmp_path.iterdir()) == []
    pack_analysis(stores.analysis(1), 0, OutputSettings(region=(299, 69, 1, 1)))


def test_a_region_without_extent_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"output\.region takes four numbers"):
        OutputSettings(region=(10, 10, 0, 5))
    with pytest.raises(SettingsError, match=r"output\.region takes four numbers"):
        OutputSettings(region=(10, 10))


SETTINGS: list[dict[str, Any]] = [
    {},
    {"correlate": {"windows": [[48, 64], [16, 32]], "overlap": 0.75}},
    {"preprocess": {"region": [10, 4, 120, 90]}, "output": {"stride": 4}},
    {"correlate": {"windows": [32], "repeats": 1}, "output": {"region": [5, 9, 40, 33]}},
    {"correlate": {"windows": [256, 128]}},
]


METRES = Calibration(2e-5, (3.0, 4.0))
CASES = [(tables, "none", calibration) for tables in SETTINGS for calibration in (None, METRES)]
CASES += [(tables, "default", METRES if tables else None) for tables in SETTINGS]


@pytest.mark.parametrize(("tables", "model", "calibration"), CASES)
def test_the_layout_of_the_template_is_that_of_a_real_analysis(
    tables: dict[str, Any], model: str, calibration: Calibration | None, tmp_path: Path
) -> None:
    settings = from_dict(tables)
    shape = (104, 148)
    pair = dataclasses.replace(uniform_pair(shape, 2.3, -1.4), dt=2e-4)
    real = analyse(pair, settings=settings, model=model, calibration=calibration)
    planned = template(shape, settings, calibration, model, dt=2e-4)
    assert {**planned.provenance, "input": real.provenance["input"]} == dict(real.provenance)

    def layout(example: Analysis) -> dict[str, Any]:
        path = tmp_path / "s.h5"
        with h5py.File(path, "w") as store:
            create_layout(store, 3, example, settings.output, provenance=planned.provenance)
            found: dict[str, Any] = {"": dict(store.attrs)}

            def note(name: str, item: Any) -> None:
                found[name] = {
                    key: repr(value)
                    for key, value in item.attrs.items()
                    if key not in ("DIMENSION_LIST", "REFERENCE_LIST")
                }
                if isinstance(item, h5py.Dataset):
                    found[name]["shape"] = (item.shape, item.dtype, item.chunks)
                if name.endswith(("/x", "/y")):
                    found[name]["values"] = item[()].tolist()

            store.visititems(note)
        return found

    assert layout(planned) == layout(real)
    packed = pack_analysis(real, 0, settings.output)
    with ResultsWriter.create(
        tmp_path / "r.h5", count=1, template=planned, provenance={}, overwrite=True
    ) as writer:
        writer.write([packed])
        assert writer.done == [0]
    assert estimate_bytes(planned, 1, settings.output) > packed.nbytes
    stored = open_results(tmp_path / "r.h5").field(0)
    assert stored.attrs == dict(real.field.attrs)


def test_a_template_of_what_cannot_be_analysed_is_refused() -> None:
    with pytest.raises(InputError, match="at least 32 x 32 px"):
        template((20, 100), model="none")
    region = from_dict({"preprocess": {"region": [0, 0, 200, 50]}})
    with pytest.raises(InputError, match="leaves the frame"):
        template((100, 120), region, model="none")


def test_a_pair_that_does_not_fit_is_entered_as_failed(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with stores.create(path) as writer:
        writer.write([pack_analysis(stores.analysis(n, (80, 90)), n) for n in (0, 1)])
        writer.put(2, stores.analysis(2, None))
        assert writer.failed == [0, 1, 2]
    errors = open_results(path).errors
    assert errors[0].startswith("its field does not fit the store: dense/flags of 80 x 90 uint16")
    assert errors[0].endswith("instead of dense/flags of 70 x 300 uint16")
    assert "no dense/flags instead of dense/flags of 70 x 300 uint16" in errors[2]


def test_failed_pairs_can_be_made_pending_again(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with stores.create(path) as writer:
        writer.write([packed_failure(n, "bad\n  luck") for n in (1, 4, 5)])
        assert open_results(path).errors[4] == "bad luck"
        writer.reset([5, 1])
        writer.reset([])
        assert writer.failed == [4]
        assert len(writer.pending) == 11
    results = open_results(path)
    assert [results.errors[n] for n in (1, 4, 5)] == ["", "bad luck", ""]
    assert results.names[1] == "name 1"  # a failure without a name keeps the one that is known


def test_a_store_can_grow(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    with stores.create(path, 1, pairs=[5], time=[0.5]) as writer:
        writer.write([stores.packed(0)])
        writer.extend(299, [f"later {n}" for n in range(299)])
        writer.extend(0, [])
        writer.write([stores.packed(299)])
        assert len(writer) == 300
        assert writer.done == [0, 299]
        assert len(writer.pending) == 298
        assert writer.sha256[299] == f"{299:064x}"
        with pytest.raises(InputError, match=r"300 pair\(s\): there is no 300"):
            writer.write([stores.packed(300)])
    results = open_results(path)
    assert results.pairs.tolist() == list(range(5, 305))
    assert results.names[1] == "later 0"
    assert np.isnan(results.seconds[1])
    _same(results.field(299), stores.analysis(299).field)
    with xarray.open_dataset(path, group="dense", engine="h5netcdf") as data:
        assert data.sizes["pair"] == 300
        assert data["pair"].values[-1] == 304


def test_an_existing_file_is_replaced_only_when_asked(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    path.write_bytes(b"precious")
    with pytest.raises(InputError, match="exists already"):
        stores.create(path)
    assert path.read_bytes() == b"precious"
    leftover = tmp_path / ".s.h5.0123abcd.part"  # of a process that was killed
    leftover.write_bytes(b"half")
    stores.create(path, overwrite=True).close()
    assert len(open_results(path).pending) == 12
    assert [each.name for each in tmp_path.iterdir()] == ["s.h5"]


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    writer = stores.create(tmp_path / "s.h5")
    writer.close()
    writer.close()
    with pytest.raises(InputError, match="was closed"):
        writer.write([stores.packed(0)])


def test_reading_goes_on_while_another_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "s.h5"
    code = """
        import os, sys, time
        from pathlib import Path
        import stores
        os.fsync = lambda _: None  # quicker: more commits
        with stores.create(Path(sys.argv[1]), 60, dense=None) as writer:
            print("begun", flush=True)
            for n in range(60):
                writer.write([stores.packed(n, None)])
                time.sleep(0.02)  # a reader that is slower than this must see it grow
        """
    words = [sys.executable, "-c", textwrap.dedent(code), str(path)]
    here = Path(__file__).resolve().parent
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=here) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        counts = []
        while not counts or counts[-1] < 60:
            results = open_results(path)
            finished = sorted(results.done + results.failed)
            assert finished == list(range(len(finished)))
            counts.append(len(finished))
            for position in results.done[-2:]:
                _same(results.field(position), stores.analysis(position, None).field)
    assert process.returncode == 0
    assert counts == sorted(counts)
    assert any(0 < count < 60 for count in counts)  # it was seen to grow


def test_a_torn_read_is_repeated(run: Path, tmp_path: Path, monkeypatch: Any) -> None:
    """A commit comes in between: what is read before and after must belong together."""
    path = tmp_path / "s.h5"
    monkeypatch.setattr("piv.io.results.reader._PAUSE", 0.0)
    monkeypatch.setattr("piv.io.results.reader._TRIES", 5)
    with stores.create(path) as writer:
        seen = []

        def read(store: h5py.File) -> int:
            count = int((store["status"][()] != 0).sum())
            seen.append(count)
            if len(seen) < 3:
                writer.write([stores.packed(len(seen))])
            return count

        assert consistent(path, read) == 2
        assert seen == [0, 1, 2]

        def never(store: h5py.File) -> None:
            raise OSError("damaged")

        with pytest.raises(OSError, match="damaged"):  # at once: no commit came in between
            consistent(path, never)
        with pytest.raises(InputError, match="never analysed"):
            piv.read_field(path, index=9)

        def disturbed(store: h5py.File) -> None:
            writer.put(9, "again")

        with pytest.raises(InputError, match="changes too quickly"):
            consistent(path, disturbed)


def test_a_read_during_which_a_journal_is_applied_is_repeated(
    tmp_path: Path, monkeypatch: Any
) -> None:
    """The commit has begun to be applied when the read begins, and is over when it ends."""
    path = tmp_path / "s.h5"
    monkeypatch.setattr("piv.io.results.reader._PAUSE", 0.0)
    monkeypatch.setattr("piv.io.results.reader._TRIES", 5)
    with stores.create(path) as writer:
        apply, values = journal._apply, []

        def status(store: h5py.File) -> list[int]:
            values.append(store["status"][:4].tolist())
            return values[-1]

        def slowly(where: Path, handle: int, redo: Any) -> None:
            # the first page, which counts the commits; then a reader comes; then the rest
            journal._write(handle, redo.changes[0][0], memoryview(redo.changes[0][1]))
            monkeypatch.setattr("piv.io.results.reader.settle", lambda _: None)
            monkeypatch.setattr(journal, "_apply", apply)
            with pytest.raises(InputError, match="changes too quickly"):
                consistent(where, status)
            apply(where, handle, redo)

        monkeypatch.setattr(journal, "_apply", slowly)
        writer.write([stores.packed(n) for n in range(3)])
        assert consistent(path, status) == [1, 1, 1, 0]
        assert values == [[1, 1, 1, 0]]
    assert not journal.lock_path(path).exists()


def test_open_store_makes_a_store_and_goes_on_with_it(tmp_path: Path) -> None:
    pairs = [dataclasses.replace(uniform_pair((64, 80), 1.5, n, seed=n), dt=0.5) for n in range(3)]
    path = tmp_path / "s.h5"
    with piv.open_store(path, pairs, model="none") as store:
        assert store.pending == [0, 1, 2]
        store.put(1, piv.analyse(pairs[1], model="none"), seconds=2.0)
    with piv.open_store(path, pairs, model="none") as store:
        assert store.pending == [0, 2]
        for position in store.pending:
            store.put(position, piv.analyse(pairs[position], model="none"))
    results = piv.open_results(path)
    assert results.pending == []
    assert results.seconds[1] == 2.0
    for position, field in enumerate(results):
        _same(field, piv.analyse(pairs[position], model="none").field)
        assert field.dt == 0.5
    other = from_dict({"correlate": {"overlap": 0.25}})
    with pytest.raises(
        InputError, match=r"made with settings\.correlate\.overlap = 0\.5, not 0\.2"
    ):
        piv.open_store(path, pairs, model="none", settings=other)
    with pytest.raises(InputError, match="made with pairs = 3, not 2"):
        piv.open_store(path, pairs[:2], model="none")
    with pytest.raises(InputError, match="made with weights = None, not"):
        piv.open_store(path, pairs)
    with pytest.raises(InputError, match="made with calibration = None, not"):
        piv.open_store(path, pairs, model="none", calibration=Calibration(1e-5))
    with pytest.raises(InputError, match="at least one pair"):
        piv.open_store(path, [], model="none")
    with piv.open_store(path, pairs[:2], model="none", overwrite=True) as store:
        assert store.pending == [0, 1]


def test_a_file_of_the_first_layout_stays_readable(tmp_path: Path) -> None:
    """Written before stores could be continued: everything in the record, no ids, fixed size."""
    path = tmp_path / "old.h5"
    wanted = stores.analysis(2)
    write_analysis(path, wanted)
    with h5py.File(path, "r+") as store:
        for group, field in (("coarse", wanted.coarse), ("dense", wanted.field)):
            del store[group].attrs["provenance"]
            record = {**dict(field.attrs), **wanted.provenance}
            store[group]["record"][0] = json.dumps(record)
    results = open_results(path)
    _same(results.field(0), wanted.field)
    assert results.field(0, "coarse").attrs == {**wanted.coarse.attrs, **wanted.provenance}
    with pytest.raises(InputError, match="cannot be continued: it is not the store of a run"):
        ResultsWriter.open(path)


def test_a_store_loads_no_torch() -> None:
    code = "import sys, piv.io.store, piv.cli.status; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_failure_without_a_reason_has_one() -> None:
    assert isinstance(packed_failure(0, " "), PackedPair)
    assert packed_failure(0, " ").error == "unknown"


def test_the_estimate_counts_what_is_stored() -> None:
    whole = stores.template()
    sizes = [
        estimate_bytes(whole, 1000, output)
        for output in (
            OutputSettings(),
            OutputSettings(stride=2),
            OutputSettings(region=(0, 0, 30, 70)),
        )
    ]
    assert sizes[0] > 2.5 * sizes[1] > 2.5 * sizes[2]
    assert Settings().output == OutputSettings()
