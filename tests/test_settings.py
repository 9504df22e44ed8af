"""Settings: one declaration, checked, and the same after a journey through TOML."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piv.errors import PIVError, SettingsError
from piv.settings import (
    CorrelateSettings,
    OutputSettings,
    PreprocessSettings,
    RefineSettings,
    Settings,
    ValidateSettings,
    apply_assignments,
    from_dict,
    from_toml,
    load,
    stages,
    to_dict,
    to_toml,
)

FIELDS = [
    pytest.param(stage, item, id=f"{stage}.{item.name}")
    for stage, kind in stages().items()
    for item in dataclasses.fields(kind)
]
sizes = st.integers(8, 1024)
window = st.one_of(sizes, st.tuples(sizes, sizes))


def _descending(windows: list[int | tuple[int, int]]) -> tuple[int | tuple[int, int], ...]:
    """Windows that do not grow from pass to pass, in both directions."""
    result: list[int | tuple[int, int]] = []
    height = width = 1024
    for size in windows:
        h, w = size if isinstance(size, tuple) else (size, size)
        height, width = min(h, height), min(w, width)
        square = not isinstance(size, tuple) and height == width
        result.append(height if square else (height, width))
    return tuple(result)


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


any_settings = st.builds(
    Settings,
    preprocess=st.builds(
        PreprocessSettings,
        region=st.one_of(st.just(()), st.tuples(*[st.integers(0, 5000)] * 4)),
        contrast=st.sampled_from(["none", "local"]),
        contrast_radius=_floats(2, 200),
    ),
    correlate=st.builds(
        CorrelateSettings,
        windows=st.lists(window, min_size=1, max_size=4).map(_descending),
        overlap=_floats(0, 0.95),
        repeats=st.integers(1, 20),
        convergence=_floats(0, 1),
        grow=st.booleans(),
        largest_window=st.integers(16, 1024),
        spline=st.sampled_from([3, 5]),
    ),
    validate=st.builds(
        ValidateSettings,
        median_threshold=_floats(0.5, 100),
        median_noise=_floats(0, 10),
        peak_ratio=_floats(1, 100),
        largest=_floats(0, 10000),
    ),
    refine=st.builds(
        RefineSettings,
        steps=st.integers(1, 8),
        precision=st.sampled_from(["bfloat16", "float32"]),
        memory=_floats(0.1, 1024),
    ),
    output=st.builds(
        OutputSettings,
        stride=st.integers(1, 256),
        region=st.one_of(st.just(()), st.tuples(*[st.integers(1, 5000)] * 4)),
    ),
)


@given(any_settings)
def test_toml_and_dict_give_the_same_settings_back(settings: Settings) -> None:
    assert from_toml(to_toml(settings)) == settings
    assert from_toml(to_toml(settings, comments=True)) == settings
    assert from_dict(to_dict(settings)) == settings


def test_the_template_is_the_defaults_and_names_every_setting_with_its_help() -> None:
    template = to_toml(Settings(), comments=True)
    assert from_toml(template) == Settings()
    for stage, kind in stages().items():
        assert f"[{stage}]\n" in template
        for item in dataclasses.fields(kind):
            assert f"\n{item.name} = " in template
            assert item.metadata["help"] in template


@pytest.mark.parametrize(("stage", "item"), FIELDS)
def test_every_setting_is_documented_and_within_its_own_range(
    stage: str, item: dataclasses.Field[object]
) -> None:
    meta = item.metadata
    assert len(meta["help"]) > 10
    assert not meta["help"].endswith(".")
    default = item.default
    if isinstance(default, str):
        assert default in meta["choices"]
    elif not isinstance(default, bool):
        assert meta["low"] is not None, "a number needs a range"
    assert getattr(getattr(Settings(), stage), item.name) == default


@pytest.mark.parametrize(("stage", "item"), FIELDS)
def test_every_setting_refuses_what_is_out_of_range_or_of_another_kind(
    stage: str, item: dataclasses.Field[object]
) -> None:
    meta, default = item.metadata, item.default
    wrong: list[object] = [{"a": 1}]
    if isinstance(default, bool):
        wrong += [1, "yes"]
    elif isinstance(default, str):
        wrong += ["nonsense", 3]
    else:
        wrong += ["many", True, math.nan, math.inf]
        wrong.append(meta["low"] - 1)
        wrong += [] if meta["high"] is None else [meta["high"] + 1]
        wrong += [] if isinstance(default, float) else [16.5]
    for value in wrong:
        with pytest.raises(SettingsError, match=rf"{stage}\.{item.name}"):
            from_dict({stage: {item.name: value}})


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"corelate": {}}, "unknown settings table [corelate]: did you mean correlate?"),
        (
            {"correlate": {"windws": 32}},
            "unknown setting correlate.windws: did you mean correlate.windows?",
        ),
        (
            {"refine": {"windows": 32}},
            "unknown setting refine.windows: did you mean correlate.windows?",
        ),
        ({"correlate": 32}, "[correlate] must be a table of settings, not 32"),
        (
            {"correlate": {"windows": [16, 32]}},
            "correlate.windows must not grow from pass to pass: [(16, 16), (32, 32)]",
        ),
        ({"correlate": {"spline": 4}}, "correlate.spline must be 3, 5 or 0, not 4"),
        (
            {"correlate": {"overlap": 1}},
            "correlate.overlap must be between 0.0 and 0.95, not 1",
        ),
        (
            {"preprocess": {"region": [1, 2, 3]}},
            "preprocess.region takes four numbers (left, top, width, height) or none, "
            "not [1, 2, 3]",
        ),
        (
            {"refine": {"memory": 0}},
            "refine.memory must be between 0.1 and 1024 GiB, not 0",
        ),
    ],
)
def test_a_mistake_is_told_in_one_line(tables: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_dict(tables)
    assert str(caught.value) == message
    assert isinstance(caught.value, PIVError)
    assert isinstance(caught.value, ValueError)


def test_a_name_near_nothing_lists_what_is_known() -> None:
    with pytest.raises(SettingsError, match=r"unknown settings table \[zzz\]; known are preproc"):
        from_dict({"zzz": {}})


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["correlate.windows=48"], ((48,), "none")),
        (["correlate.windows=[96, 48, 24]"], ((96, 48, 24), "none")),
        (["correlate.windows=[[32, 64], [16, 32]]"], (((32, 64), (16, 32)), "none")),
        (["preprocess.contrast=local"], ((), "local")),
        (['preprocess.contrast="local"'], ((), "local")),
        ([" correlate.windows = 48 ", "correlate.windows=24"], ((24,), "none")),
    ],
)
def test_assignments_take_toml_values_and_bare_words_and_the_last_one_wins(
    words: list[str], expected: tuple[object, str]
) -> None:
    settings = apply_assignments(Settings(), words)
    assert (settings.correlate.windows, settings.preprocess.contrast) == expected


def test_assignments_change_only_what_they_name() -> None:
    base = from_dict({"refine": {"steps": 3}})
    changed = apply_assignments(base, ["correlate.overlap=0.75"])
    assert changed == from_dict({"refine": {"steps": 3}, "correlate": {"overlap": 0.75}})
    assert base.correlate == CorrelateSettings()


@pytest.mark.parametrize("word", ["", "windows=3", "correlate.windows", "correlate.=3", ".a=3"])
def test_an_assignment_of_another_form_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match=r"--set takes stage\.name=value, not"):
        apply_assignments(Settings(), [word])


def test_an_assignment_of_an_unknown_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"did you mean correlate\.overlap\?"):
        apply_assignments(Settings(), ["correlate.overlapp=0.5"])


def test_a_file_is_read_over_the_base_and_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "réglages à moi.toml"
    path.write_text("[correlate]\noverlap = 0.75 # ü\n", encoding="utf-8-sig")
    base = from_dict({"refine": {"steps": 4}})
    assert load(path, base) == from_dict({"correlate": {"overlap": 0.75}}, base)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    with pytest.raises(SettingsError, match=r"cannot read the settings .*absent\.toml: No such"):
        load(absent)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SettingsError, match=r"binary\.toml: not text in UTF-8"):
        load(binary)
    broken = tmp_path / "broken.toml"
    broken.write_text("[correlate\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"broken\.toml: the settings are not TOML"):
        load(broken)
    unknown = tmp_path / "unknown.toml"
    unknown.write_text("[correlate]\nwindow = 3\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"unknown\.toml: unknown setting correlate\.window:"):
        load(unknown)


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().correlate.overlap = 0.1  # type: ignore[misc]


def test_zero_and_nothing_stand_for_what_suits_the_network_or_its_absence() -> None:
    settings = Settings()
    alone, followed = settings.resolved(followed=False), settings.resolved(followed=True)
    assert (alone.correlate.repeats, alone.correlate.spline) == (2, 5)
    assert (followed.correlate.repeats, followed.correlate.spline) == (1, 3)
    assert (alone.correlate.windows, followed.correlate.windows) == ((64, 32, 16), (64, 24))
    assert settings.correlate.window_sizes == [(64, 64), (32, 32), (16, 16)]
    assert followed.correlate.window_sizes == [(64, 64), (24, 24)]
    assert followed.refine.steps == alone.refine.steps == 3
    assert settings.resolved(followed=True, steps=2).refine.steps == 2
    own = from_dict(
        {"correlate": {"windows": [48], "repeats": 4, "spline": 5}, "refine": {"steps": 4}}
    )
    assert own.resolved(followed=True) == own.resolved(followed=False) == own
