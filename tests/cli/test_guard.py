"""Exit statuses, quiet libraries and whole files, whatever happens."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from piv.cli import main
from piv.cli.guard import Parser, guarded
from piv.errors import InputError

Capture = pytest.CaptureFixture[str]


def _raising(error: BaseException) -> int:
    return guarded("tool", lambda: (_ for _ in ()).throw(error))


def test_the_status_of_the_command_is_returned() -> None:
    assert guarded("tool", lambda: 0) == 0
    assert guarded("tool", lambda: 1) == 1


def test_an_error_of_the_user_is_one_line(capsys: Capture) -> None:
    assert _raising(InputError("what\n  came")) == 2
    assert capsys.readouterr().err == "tool: error: what came\n"


@pytest.mark.parametrize("made", [RuntimeError("torn import"), InputError("cannot read")])
def test_ctrl_c_of_which_a_library_made_something_else_is_130_too(
    made: Exception, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("piv.entry.Interrupted.pressed", True)
    assert _raising(made) == 130
    assert capsys.readouterr().err == "tool: interrupted\n"


def test_ctrl_c_is_130(capsys: Capture) -> None:
    assert _raising(KeyboardInterrupt()) == 130
    assert capsys.readouterr().err == "tool: interrupted\n"


@pytest.mark.parametrize("error", [RuntimeError("bug"), ValueError("bug"), OSError("bug")])
def test_anything_else_is_a_bug_with_its_traceback(error: Exception, capsys: Capture) -> None:
    assert _raising(error) == 70
    told = capsys.readouterr().err
    assert told.startswith("Traceback")
    assert "bug" in told


def test_a_bug_inside_the_analysis_is_70(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("injected")

    monkeypatch.setattr("piv.pipeline.analyse", broken)
    argv = ["analyse", str(folder / "a.tif"), str(folder / "b.tif"), "--model", "none"]
    assert main([*argv, "-o", str(folder / "f.h5")]) == 70
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "RuntimeError: injected" in told
    assert not (folder / "f.h5").exists()


def test_warnings_and_loggers_of_libraries_stay_quiet(capfd: Capture) -> None:
    def noisy() -> int:
        warnings.warn("deprecated", stacklevel=1)
        logging.getLogger("somebody").warning("strange")
        return 0

    before = list(logging.getLogger().handlers)
    assert guarded("tool", noisy) == 0
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == before


def test_a_parser_names_the_nearest_option(capsys: Capture) -> None:
    parser = Parser(prog="tool")
    parser.add_argument("--density", type=float)
    with pytest.raises(SystemExit) as leaving:
        parser.parse_args(["--densty", "3"])
    assert leaving.value.code == 2
    assert capsys.readouterr().err == (
        "tool: error: unknown option --densty: did you mean --density?\n"
    )


def test_the_nearest_option_is_one_of_the_command(capsys: Capture) -> None:
    assert main(["settings", "--set", "refine.steps=3"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("piv: error: unknown option --set")
    assert "did you mean --set?" not in told


def test_without_a_command_the_commands_are_named(capsys: Capture) -> None:
    assert main([]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "name a command: analyse, " in told


def test_a_negative_quantity_is_told_as_such(capsys: Capture) -> None:
    assert main(["analyse", "a.tif", "b.tif", "--dt", "-1us"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "a positive time such as 200us" in told
    assert "not '-1us'" in told


def test_more_threads_than_any_machine_has_are_refused(capsys: Capture) -> None:
    assert main(["analyse", "a.tif", "b.tif", "--threads", "99999999999"]) == 2
    assert "from 1 to 1024 is wanted, not '99999999999'" in capsys.readouterr().err


def test_a_closed_standard_output_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # so Python sets it when it was closed
    assert guarded("tool", lambda: 0) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only some systems have /dev/full")
def test_an_output_on_a_full_disk_is_one_line() -> None:
    code = "import sys; from piv.cli import main; sys.exit(main(['settings']))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False,
            env=_environment(), text=True,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "piv: error: cannot write: No space left on device\n"


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def _run(code: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *argv], capture_output=True, text=True,
        encoding="utf-8", env={**_environment(), "PYTHONUTF8": "1"}, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one process")
def test_ctrl_c_while_writing_leaves_no_file(folder: Path) -> None:
    code = """
        import signal, sys, time
        import piv.io.store as store
        from piv.cli import main

        # what is started in the background ignores Ctrl-C otherwise
        signal.signal(signal.SIGINT, signal.default_int_handler)
        whole = store.write_pairs

        def slow(*args, **options):
            whole(*args, **options)
            print("writing", flush=True)
            time.sleep(60)

        store.write_pairs = slow
        sys.exit(main(sys.argv[1:]))
        """
    argv = ["analyse", "a.tif", "b.tif", "--model", "none", "-o", "f.h5"]
    before = sorted(folder.iterdir())
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *argv], cwd=folder, env=_environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert len(list(folder.iterdir())) == 3  # the hidden part of the file
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == ("", "piv: interrupted\n")
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of files")
def test_a_full_disk_leaves_no_file_and_says_so(folder: Path) -> None:
    code = """
        import os, resource, sys
        from piv.cli import main

        folder = sys.argv[1]
        words = ["analyse", f"{folder}/a.tif", f"{folder}/b.tif", "--model", "none"]
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        print(main([*words, "-o", f"{folder}/f.h5"]))
        print(main([*words, "--figure", f"{folder}/f.png"]))
        """
    before = sorted(folder.iterdir())
    done = _run(code, str(folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2\n2\n"
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, ("f.h5", "f.png"), strict=True):
        assert line.startswith("piv: error: cannot write ")
        assert line.endswith(f"{name}: File too large")
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells a closed pipe otherwise")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "import sys; from piv.cli import main; sys.exit(main(['settings']))"
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=closed, stderr=subprocess.PIPE, check=False,
            env=_environment(),
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_help_and_wrong_words_do_not_wait_for_torch() -> None:
    code = """
        import sys
        from piv.cli import main

        for words in (["--help"], ["analyse", "--help"], ["analyse", "a", "b", "--dt", "0"]):
            main(words)
        print([name for name in ("torch", "matplotlib", "h5py", "scipy") if name in sys.modules])
        """
    done = _run(code)
    assert done.stdout.splitlines()[-1] == "[]"
