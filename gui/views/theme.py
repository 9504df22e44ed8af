"""Light and dark: palettes, the style sheet, and icons in the colour of the text."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias

from PyQt6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, pyqtSignal
from PyQt6.QtGui import (
    QColor,
    QGuiApplication,
    QIcon,
    QIconEngine,
    QPainter,
    QPalette,
    QPixmap,
)
from PyQt6.QtSvg import QSvgRenderer
from PyQt6.QtWidgets import QApplication

Mode: TypeAlias = Literal["system", "light", "dark"]
MODES: tuple[Mode, ...] = ("system", "light", "dark")

_LIGHT = {
    "Window": "#f3f4f6", "WindowText": "#1b1f24", "Base": "#ffffff", "AlternateBase": "#f7f8fa",
    "Text": "#1b1f24", "Button": "#fbfbfc", "ButtonText": "#1b1f24", "ToolTipBase": "#ffffff",
    "ToolTipText": "#1b1f24", "PlaceholderText": "#6b7280", "Highlight": "#1f6fd6",
    "HighlightedText": "#ffffff", "Link": "#1a5fb8", "BrightText": "#b3261e", "Mid": "#c3c8cf",
    "Midlight": "#e3e6ea", "Light": "#ffffff", "Dark": "#a3a9b2", "Shadow": "#7d848e",
}  # fmt: skip
_DARK = {
    "Window": "#22262b", "WindowText": "#e6e8eb", "Base": "#191c20", "AlternateBase": "#20242a",
    "Text": "#e6e8eb", "Button": "#2e343b", "ButtonText": "#e6e8eb", "ToolTipBase": "#2e343b",
    "ToolTipText": "#e6e8eb", "PlaceholderText": "#9aa2ad", "Highlight": "#3d8bfd",
    "HighlightedText": "#ffffff", "Link": "#7db4ff", "BrightText": "#ff8a80", "Mid": "#454c55",
    "Midlight": "#343a42", "Light": "#4a525c", "Dark": "#15181b", "Shadow": "#8a94a1",
}  # fmt: skip
_CHUNK = {False: "#9cc4f5", True: "#1d559f"}  # what is done of a run, under its percentage
_FAINT = {False: "#9aa1ab", True: "#6d7580"}  # what is disabled

_SHEET = """
QMainWindow::separator { background: palette(midlight); width: 4px; height: 4px; }
QMainWindow::separator:hover { background: palette(highlight); }
QToolBar { border: 0; border-bottom: 1px solid palette(midlight); spacing: 2px; padding: 3px 6px; }
QToolBar::separator { background: palette(mid); width: 1px; margin: 5px 5px; }
QToolButton { border: 1px solid transparent; border-radius: 5px; padding: 3px 5px; }
QToolButton:hover { background: palette(midlight); }
QToolButton:focus { border-color: palette(highlight); }
QToolButton:pressed, QToolButton:checked { background: palette(midlight);
    border-color: palette(mid); }
QDockWidget::title { background: palette(window); padding: 5px 8px; text-align: left; }
QStatusBar { border-top: 1px solid palette(midlight); }
QStatusBar::item { border: 0; }
QMenuBar { background: palette(window); padding: 2px 4px; }
QMenuBar::item { padding: 4px 8px; border-radius: 4px; }
QMenuBar::item:selected { background: palette(midlight); }
QToolTip { border: 1px solid palette(mid); padding: 3px; color: palette(tool-tip-text);
    background: palette(tool-tip-base); }
QPushButton { border: 1px solid palette(mid); border-radius: 5px; padding: 4px 10px;
    background: palette(button); min-height: 16px; }
QPushButton:hover { background: palette(midlight); }
QPushButton:pressed { background: palette(mid); }
QPushButton:focus { border-color: palette(highlight); }
QPushButton:disabled { color: palette(placeholder-text); }
QPushButton:checked { background: palette(highlight); color: palette(highlighted-text); }
QPushButton:default { background: palette(highlight); color: palette(highlighted-text);
    border-color: palette(highlight); }
QGroupBox { border: 1px solid palette(midlight); border-radius: 6px; margin-top: 9px;
    padding: 8px 6px 6px 6px; }
QGroupBox::title { subcontrol-origin: margin; left: 8px; padding: 0 4px; font-weight: 600; }
QScrollArea { border: 0; }
QCheckBox::indicator, QAbstractItemView::indicator { width: 13px; height: 13px;
    border: 1px solid palette(shadow); border-radius: 3px; background: palette(base); }
QCheckBox::indicator:checked, QAbstractItemView::indicator:checked {
    background: palette(highlight); border-color: palette(highlight); image: url(CHECK); }
QCheckBox::indicator:focus { border-color: palette(highlight); }
QCheckBox::indicator:disabled, QAbstractItemView::indicator:disabled {
    background: palette(midlight); border-color: palette(mid); }
QProgressBar { border: 1px solid palette(mid); border-radius: 5px; text-align: center;
    background: palette(base); min-height: 14px; }
QProgressBar::chunk { background: CHUNK; border-radius: 4px; }
QHeaderView::section { background: palette(window); border: 0;
    border-bottom: 1px solid palette(mid); padding: 4px; }
"""


class Theme(QObject):
    """Light, dark, or as the system has it.

    Signals
    -------
    changed()
        The colours are others now; palettes have been set already.
    """

    changed = pyqtSignal()

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self.mode: Mode = "system"
        self._dark: bool | None = None
        app.setStyle("Fusion")
        check = Path(str(files("gui") / "resources" / "icons" / "check.svg")).as_posix()
        self._sheet = _SHEET.replace("CHECK", f'"{check}"')
        hints = QGuiApplication.styleHints()
        if hints is not None:
            hints.colorSchemeChanged.connect(self._follow)
        self._apply()

    def set_mode(self, mode: Mode) -> None:
        """Choose light, dark, or the system's."""
        self.mode = mode
        self._apply()

    def _follow(self) -> None:
        if self.mode == "system":
            self._apply()

    def _apply(self) -> None:
        dark = self.mode == "dark"
        hints = QGuiApplication.styleHints()
        if self.mode == "system" and hints is not None:
            dark = hints.colorScheme() == Qt.ColorScheme.Dark
        if dark != self._dark:
            self._dark = dark
            self._app.setPalette(palette(dark=dark))
            self._app.setStyleSheet(
                self._sheet.replace("CHUNK", _CHUNK[dark])
            )  # its colours are looked up again
            self.changed.emit()


def palette(*, dark: bool) -> QPalette:
    """All colours of the light or the dark look."""
    result = QPalette()
    for role, colour in (_DARK if dark else _LIGHT).items():
        result.setColor(QPalette.ColorRole[role], QColor(colour))
    for role in ("WindowText", "Text", "ButtonText"):
        result.setColor(
            QPalette.ColorGroup.Disabled, QPalette.ColorRole[role], QColor(_FAINT[dark])
        )
    result.setColor(
        QPalette.ColorGroup.Disabled,
        QPalette.ColorRole.Highlight,
        QColor("#454c55" if dark else "#c3c8cf"),
    )
    return result


def is_dark() -> bool:
    """Whether the window's background is dark now."""
    return QGuiApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128


class _Drawn(QIconEngine):
    """An icon drawn from SVG text in the colour that the text has at the moment of drawing."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self._source = source

    def paint(
        self,
        painter: QPainter | None,
        rect: object,
        mode: QIcon.Mode,
        state: QIcon.State,  # noqa: ARG002
    ) -> None:
        if painter is None:
            return
        group = (
            QPalette.ColorGroup.Disabled
            if mode == QIcon.Mode.Disabled
            else QPalette.ColorGroup.Active
        )
        colour = QGuiApplication.palette().color(group, QPalette.ColorRole.ButtonText)
        accent = QGuiApplication.palette().color(QPalette.ColorRole.Highlight)
        if mode == QIcon.Mode.Disabled:
            accent = colour
        text = self._source.replace("currentColor", colour.name()).replace("accent", accent.name())
        QSvgRenderer(QByteArray(text.encode())).render(painter, QRectF(rect))  # type: ignore[call-overload]

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        result = QPixmap(size)
        result.fill(Qt.GlobalColor.transparent)
        painter = QPainter(result)
        self.paint(painter, result.rect(), mode, state)
        painter.end()
        return result

    def clone(self) -> QIconEngine:
        return _Drawn(self._source)


@lru_cache(maxsize=256)
def _source(name: str) -> str:
    file = files("gui") / "resources" / "icons" / f"{name}.svg"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def icon(name: str) -> QIcon:
    """The drawing of this name, empty if there is none; it follows the theme."""
    text = _source(name)
    return QIcon(_Drawn(text)) if text else QIcon()
