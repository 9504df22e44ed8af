"""Questions that block the window until they are answered; there are none anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PyQt6.QtGui import QColor
from PyQt6.QtWidgets import (
    QColorDialog,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QInputDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QVBoxLayout,
    QWidget,
)

Kinds = Sequence[tuple[str, str]]  # ("Images", "*.tif *.png")


class Dialogs:
    """Asks; the tests put something in its place that answers.

    Every question returns None, an empty list or an empty text when it is closed unanswered.
    File dialogs begin in the folder that was used last.
    """

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent
        self.folder = Path.home()

    def open_files(
        self, title: str, kinds: Kinds = (), *, folder: bool = False, many: bool = True
    ) -> list[Path]:
        """Files that exist, or one folder."""
        if folder:
            names = [QFileDialog.getExistingDirectory(self._parent, title, str(self.folder))]
        elif many:
            names, _ = QFileDialog.getOpenFileNames(
                self._parent, title, str(self.folder), _filters(kinds)
            )
        else:
            names = [
                QFileDialog.getOpenFileName(self._parent, title, str(self.folder), _filters(kinds))[
                    0
                ]
            ]
        paths = [Path(name) for name in names if name]
        if paths:
            self.folder = paths[0] if folder else paths[0].parent
        return paths

    def save_file(self, title: str, kinds: Kinds = (), name: str = "") -> Path | None:
        """A file to be written, with the suffix of its kind; replacing one has been confirmed."""
        start = self.folder / name if name else self.folder
        chosen, kind = QFileDialog.getSaveFileName(self._parent, title, str(start), _filters(kinds))
        if not chosen:
            return None
        path = Path(chosen)
        self.folder = path.parent
        patterns = next((p for text, p in kinds if kind.startswith(f"{text} (")), "").split()
        suffixes = [pattern.removeprefix("*") for pattern in patterns if pattern.startswith("*.")]
        if suffixes and not path.name.lower().endswith(tuple(s.lower() for s in suffixes)):
            path = path.with_name(path.name + suffixes[0])
            if path.exists() and self.ask(
                title, f"{path.name} is there already. Replace it?", ("Replace", "Cancel")
            ) != "Replace":  # fmt: skip
                return None
        return path

    def ask(self, title: str, text: str, buttons: Sequence[str]) -> str:
        """The text of the button that was pressed; the first one is what Enter takes."""
        box = QMessageBox(QMessageBox.Icon.Question, title, text, parent=self._parent)
        made = {}
        for n, label in enumerate(buttons):
            role = (
                QMessageBox.ButtonRole.AcceptRole if n == 0 else QMessageBox.ButtonRole.ActionRole
            )
            if label == "Cancel":
                role = QMessageBox.ButtonRole.RejectRole
            made[label] = box.addButton(label, role)
        box.setDefaultButton(made[buttons[0]])
        if "Cancel" in made:
            box.setEscapeButton(made["Cancel"])
        box.exec()
        pressed = box.clickedButton()
        box.deleteLater()
        return next((label for label, button in made.items() if button is pressed), "")

    def number(
        self, title: str, label: str, value: float, *, low: float, high: float,
        decimals: int = 3, unit: str = "",
    ) -> float | None:  # fmt: skip
        """A number in a range."""
        spin = QDoubleSpinBox()
        spin.setDecimals(decimals)
        spin.setRange(low, high)
        spin.setValue(value)
        spin.setSuffix(f" {unit}" if unit else "")
        spin.selectAll()
        return spin.value() if self._form(title, label, spin) else None

    def text(self, title: str, label: str, value: str = "") -> str | None:
        """A line of text, without the spaces around it."""
        line = QLineEdit(value)
        line.setMinimumWidth(340)
        line.selectAll()
        return line.text().strip() if self._form(title, label, line) else None

    def choose(
        self, title: str, label: str, options: Sequence[str], current: str = ""
    ) -> str | None:
        """One of several texts."""
        place = options.index(current) if current in options else 0
        chosen, accepted = QInputDialog.getItem(
            self._parent, title, label, list(options), place, False
        )
        return chosen if accepted else None

    def colour(self, title: str, current: str) -> str | None:
        """A colour as #rrggbb."""
        chosen = QColorDialog.getColor(QColor(current), self._parent, title)
        return chosen.name() if chosen.isValid() else None

    def _form(self, title: str, label: str, widget: QWidget) -> bool:
        dialog = QDialog(self._parent)
        dialog.setWindowTitle(title)
        text = QLabel(label)
        text.setBuddy(widget)
        text.setWordWrap(True)
        widget.setAccessibleName(label)
        buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel
        )
        buttons.accepted.connect(dialog.accept)
        buttons.rejected.connect(dialog.reject)
        layout = QVBoxLayout(dialog)
        for each in (text, widget, buttons):
            layout.addWidget(each)
        widget.setFocus()
        accepted = dialog.exec() == QDialog.DialogCode.Accepted
        dialog.deleteLater()
        return accepted


def _filters(kinds: Kinds) -> str:
    return ";;".join(f"{text} ({patterns})" for text, patterns in kinds)
