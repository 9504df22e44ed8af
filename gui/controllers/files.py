"""Opening: dialogs, drops, arguments, recent files; whatever it is, the quick child looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gui.program import Program
from gui.recent import Recent
from gui.state import SourceInfo, StoreInfo
from gui.views.actions import ActionSpec
from gui.workers import Job
from piv.types import size_text

if TYPE_CHECKING:
    from gui.compute.tasks.sources import Found

KINDS = (
    (
        "All that can be opened",
        "*.tif *.tiff *.png *.bmp *.jpg *.jpeg *.h5 *.hdf5 *.hdf *.he5 *.nc *.mat *.avi *.mp4 "
        "*.mov *.mkv *.mpg *.mpeg *.txt *.csv *.lst *.list *.pivsession *.toml",
    ),
    ("Images", "*.tif *.tiff *.png *.bmp *.jpg *.jpeg"),
    ("Data sets and results", "*.h5 *.hdf5 *.hdf *.he5 *.nc *.mat"),
    ("Videos", "*.avi *.mp4 *.mov *.mkv *.mpg *.mpeg"),
    ("Lists of pairs", "*.txt *.csv *.lst *.list"),
    ("Sessions", "*.pivsession"),
    ("All files", "*"),
)
_SPECS = (
    ActionSpec(
        "file.open", "Open…", "File", "Ctrl+O",
        "Open two images, a data set, a tif of many pages, a video, results or a session",
        group="open", toolbar=True,
    ),
    ActionSpec(
        "file.open_folder", "Open folder…", "File", "Ctrl+Shift+F",
        "Open a folder of images", group="open", toolbar=True,
    ),
    ActionSpec("file.recent", "Open recent", "File", tip="What was open lately", group="open"),
    ActionSpec(
        "file.close", "Close what is open", "File", "Ctrl+W",
        "Close images and results; the settings stay", group="close",
    ),
    ActionSpec("file.quit", "Quit", "File", "Ctrl+Q", "End the program", group="end"),
)  # fmt: skip


class Files:
    """Opens what the user chooses or drops.

    Parameters
    ----------
    program : Program
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.recent = Recent(program.home)
        self._paths: list[Path] = []
        self._job: Job | None = None
        window = program.window
        window.add_actions(_SPECS)
        for name, call in (
            ("file.open", self.choose),
            ("file.open_folder", self.choose_folder),
            ("file.close", self.close_source),
            ("file.quit", window.close),
        ):
            window.action(name).triggered.connect(lambda _=False, c=call: c())
        self._menu = window.make_submenu("file.recent")
        self._menu.aboutToShow.connect(self._fill_recent)
        window.dropped.connect(lambda paths: self.open_paths([Path(p) for p in paths], drop=True))
        window.welcome.open_requested.connect(self.choose)
        window.welcome.folder_requested.connect(self.choose_folder)
        window.welcome.recent_requested.connect(lambda paths: self.open_paths(list(paths)))
        self._fill_recent()

    # choosing

    def choose(self) -> None:
        """Ask for files, and open them."""
        paths = self.program.dialogs.open_files(
            "Open two images, a data set, a video, results or a session", KINDS
        )
        if paths:
            self.open_paths(paths, drop=True)

    def choose_folder(self) -> None:
        """Ask for a folder of images, and open it."""
        paths = self.program.dialogs.open_files("Open a folder of images", folder=True)
        if paths:
            self.open_paths(paths)

    def open_paths(
        self,
        paths: Sequence[Path],
        *,
        frames: str | None = None,
        pairing: str | None = None,
        drop: bool = False,
    ) -> None:
        """Open whatever these are; what is wrong with them is told.

        Parameters
        ----------
        paths : sequence of Path
        frames, pairing
            As for :func:`piv.open_pairs`.
        drop : bool
            They came in no order that means anything, and are sorted.
        """
        if paths:
            self._look(sorted(paths) if drop else list(paths), frames, pairing)

    def open_store(self, path: Path) -> None:
        """Open a file of results, beside its images if they are open."""
        self.program.quick.run(
            "sources.store",
            path=path,
            key="files.look",
            done=self.show_store,
            failed=self.program.tell.error,
        )

    def repair(self, pairing: str) -> None:
        """Pair the frames of what is open in another way."""
        source = self.program.session.source
        if source is None:
            return
        self._look(self._paths_of(source), source.spec.frames, pairing or None)

    def swap(self) -> None:
        """Exchange the two frames of every pair."""
        source = self.program.session.source
        if source is None:
            return
        files = source.spec.files
        if files is None or any(len(names) != 2 for names in files):
            self.program.tell.warning(
                "The frames of a data set, a tif of many pages or a video cannot be exchanged "
                "here: only those of image files"
            )
            return
        swapped = tuple((names[1], names[0]) for names in files)
        names = tuple(", ".join(pair) for pair in swapped)
        spec = replace(source.spec, files=swapped)
        info = replace(source, spec=spec, names=names)

        def take() -> None:
            self.program.session.set_source(info)
            self.program.tell.info("A and B were exchanged in every pair")

        self._replacing(take)

    def close_source(self) -> None:
        """Close images and results."""
        if self.program.session.count:
            self._replacing(self.program.session.clear_source)

    # what was found

    def show_source(self, info: SourceInfo, doubt: str = "", paths: Sequence[Path] = ()) -> None:
        """Work on these pairs from now on, and say what came."""
        self.program.session.set_source(info)
        self._remember(paths or self._paths_of(info))
        count = "1 pair" if info.count == 1 else f"{info.count} pairs"
        said = f"{info.path.name}: {count}, {size_text(info.shape)} px (height x width)"
        notes = "\n".join(info.notes)
        odd = [n for n in info.notes if n.startswith(("left out", "missing", "the video", "line "))]
        if doubt:
            text = f"{said}; {doubt}: look at the pairs, and change the pairing if it is wrong"
            self.program.tell.warning(text, notes)
        elif odd:
            self.program.tell.warning(f"{said}; {'; '.join(odd)}", notes)
        else:
            self.program.tell.info(said, notes)

    def show_store(self, info: StoreInfo) -> None:
        """Show these results."""
        self.program.session.set_store(info)
        self._remember([info.path])
        done, failed = info.statuses.count(1), info.statuses.count(2)
        self.program.tell.info(
            f"{info.path.name}: results of {done} of {info.count} pairs"
            + (f", {failed} failed" if failed else "")
        )

    def _look(self, paths: list[Path], frames: str | None, pairing: str | None) -> None:
        self.program.window.set_busy("Opening ...", None, self._cancel, of="files")
        self._job = self.program.quick.run(
            "sources.look",
            paths=paths,
            frames=frames,
            pairing=pairing,
            key="files.look",
            done=partial(self._found, paths),
            failed=self._failed,
        )

    def _found(self, paths: list[Path], found: Found) -> None:
        self._ended()
        if found.kind == "source" and found.source is not None:
            self._replacing(partial(self._take, paths, found.source, found.doubt))
        elif found.kind == "store" and found.store is not None:
            self._replacing(partial(self.show_store, found.store))
        elif found.kind == "session":
            self.program.controllers["sessions"].open(found.path)
        elif found.kind == "settings":
            self.program.controllers["settings"].load(found.path)
        else:
            chosen = self.program.dialogs.choose(
                "Frames of the data set",
                f"{found.path.name} holds several data sets. Which of them are the frames?",
                found.stacks,
            )
            if chosen:
                self._look(paths, chosen, None)

    def _take(self, paths: list[Path], info: SourceInfo, doubt: str) -> None:
        self._paths = paths
        self.show_source(info, doubt, paths)

    def _failed(self, message: str) -> None:
        self._ended()
        self.program.tell.error(message)
        self.program.controllers["pairs"].show_pairing()

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
        self._ended()

    def _ended(self) -> None:
        self._job = None
        self.program.window.set_busy(None, None, None, of="files")

    def _paths_of(self, source: SourceInfo) -> list[Path]:
        """The paths that were opened, also when a session brought the source."""
        if self._paths and source.path in self._paths:
            return self._paths
        files = source.spec.files
        if files is not None and source.path != source.spec.path:  # image files
            return [source.spec.path / name for names in files for name in names]
        return [source.path]

    def _replacing(self, then: Callable[[], None]) -> None:
        """Do it, after asking about work that is in no file and would go."""
        self.program.controllers["sessions"].leave(then)
        self.program.controllers["pairs"].show_pairing()  # if nothing came of it

    # recent files

    def _remember(self, paths: Sequence[Path]) -> None:
        self.recent.add(paths)
        self._fill_recent()

    def _fill_recent(self) -> None:
        entries = self.recent.entries()
        self._menu.clear()
        for paths in entries:
            action = self._menu.addAction(entry_text(paths).replace("&", "&&"))
            if action is not None:
                action.setToolTip("\n".join(str(path) for path in paths))
                action.triggered.connect(lambda _=False, p=paths: self.open_paths(list(p)))
        self._menu.addSeparator()
        action = self._menu.addAction("Forget these" if entries else "Nothing yet")
        if action is not None:
            action.setObjectName("file.forget_recent")
            action.setEnabled(bool(entries))
            action.triggered.connect(self._forget)
        self.program.window.welcome.set_recent(entries[:5])

    def _forget(self) -> None:
        self.recent.clear()
        self._fill_recent()


def entry_text(paths: Sequence[Path]) -> str:
    """What an entry of the recent files is called."""
    first = paths[0]
    more = f" + {paths[1].name}" if len(paths) == 2 else f" + {len(paths) - 1} more"
    return f"{first.name}{more if len(paths) > 1 else ''}  ({first.parent.name or first.parent})"


def attach(program: Program) -> Any:
    """Begin to open what the user wants."""
    return Files(program)
