"""The window: canvas in the middle, panels around it, menus, tool bar and status bar."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from PyQt6.QtCore import QByteArray, QEvent, QSize, Qt, pyqtSignal
from PyQt6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PyQt6.QtWidgets import (
    QAbstractScrollArea,
    QDockWidget,
    QLabel,
    QMainWindow,
    QMenu,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QTabWidget,
    QToolBar,
    QVBoxLayout,
    QWidget,
)

from gui.tell import Message
from gui.views.actions import MENUS, ActionSpec, fill_menu, make_action, set_enabled
from gui.views.canvas import Canvas
from gui.views.message_bar import MessageBar
from gui.views.theme import icon
from gui.views.welcome import Welcome

Side = Literal["left", "right", "bottom"]
_AREAS = {
    "left": Qt.DockWidgetArea.LeftDockWidgetArea,
    "right": Qt.DockWidgetArea.RightDockWidgetArea,
    "bottom": Qt.DockWidgetArea.BottomDockWidgetArea,
}
_LAYOUT = 1  # version of the remembered layout


class _Running(NamedTuple):
    """What the status bar shows of something that runs."""

    text: str
    fraction: float | None
    cancel: Callable[[], None] | None


class MainWindow(QMainWindow):
    """All that is seen.  It knows no PIV: controllers fill it and listen to it.

    Signals
    -------
    closing(object)
        The QCloseEvent, before the window closes: who must keep it open ignores the event.
    closed()
        It has closed.
    dropped(object)
        A list of paths (str) was dropped on the window.
    cancel_requested()
        Esc.
    """

    closing = pyqtSignal(object)
    closed = pyqtSignal()
    dropped = pyqtSignal(object)
    cancel_requested = pyqtSignal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("window")
        self.setWindowTitle("PIV")
        self.setAcceptDrops(True)
        self.setDockNestingEnabled(True)
        self.setDockOptions(
            QMainWindow.DockOption.AllowTabbedDocks
            | QMainWindow.DockOption.AllowNestedDocks
            | QMainWindow.DockOption.AnimatedDocks
        )
        for area in _AREAS.values():
            self.setTabPosition(area, QTabWidget.TabPosition.North)
        self.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)
        self.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)

        self.actions_by_name: dict[str, QAction] = {}
        self.specs: dict[str, ActionSpec] = {}
        self.panels: dict[str, QDockWidget] = {}
        self._side_of: dict[str, Side] = {}
        self._present: frozenset[str] = frozenset()
        self._running: dict[str, _Running] = {}
        self._first_layout: dict[str, Any] | None = None

        self.canvas = Canvas()
        self.welcome = Welcome()
        self.message_bar = MessageBar()
        self.message_bar.details_wanted.connect(lambda: self.show_panel("log"))
        self._stack = QStackedWidget()
        self._stack.addWidget(self.welcome)
        self._stack.addWidget(self.canvas)
        self._below = QVBoxLayout()
        self._below.setContentsMargins(0, 0, 0, 0)
        centre = QWidget()
        layout = QVBoxLayout(centre)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.message_bar)
        layout.addWidget(self._stack, 1)
        layout.addLayout(self._below)
        centre.setMinimumSize(320, 240)
        self.setCentralWidget(centre)

        self._make_menus()
        self._make_status_bar()

    # -- actions

    def _make_menus(self) -> None:
        bar = self.menuBar()
        assert bar is not None
        self._menus: dict[str, QMenu] = {}
        for name in MENUS:
            menu = QMenu(_TITLES.get(name, f"&{name}"), self)
            menu.setToolTipsVisible(True)
            bar.addMenu(menu)
            self._menus[name] = menu
        self.toolbar = QToolBar("Main tools", self)
        self.toolbar.setObjectName("toolbar")
        self.toolbar.setIconSize(QSize(20, 20))
        self.toolbar.setMovable(False)
        self.addToolBar(self.toolbar)

    def add_actions(self, specs: Sequence[ActionSpec]) -> None:
        """Make actions and put them into the menus and the tool bar."""
        for spec in specs:
            if spec.name in self.specs:
                raise ValueError(f"there are two actions {spec.name!r}")
            action = make_action(spec, self, icon)
            set_enabled(action, spec, self._present)
            self.specs[spec.name] = spec
            self.actions_by_name[spec.name] = action
            self.addAction(action)  # its shortcut works with the menu bar hidden too
        for menu in {spec.menu for spec in specs}:
            self._fill(menu)
        if self._first_layout is not None and any(spec.toolbar for spec in specs):
            self._fill_toolbar()

    def _fill(self, menu: str) -> None:
        entries = [
            (spec, self.actions_by_name[spec.name])
            for spec in self.specs.values()
            if spec.menu == menu
        ]
        fill_menu(self._menus[menu], entries)
        if menu == "View":
            self._menus[menu].addSeparator()
            self._menus[menu].addMenu(self.panels_menu())

    def panels_menu(self) -> QMenu:
        """The menu that shows and hides the panels."""
        menu = getattr(self, "_panels_menu", None)
        if menu is None:
            menu = self._panels_menu = QMenu("&Panels", self)
        menu.clear()
        for dock in self.panels.values():
            menu.addAction(dock.toggleViewAction())
        return menu

    def make_submenu(self, name: str) -> QMenu:
        """Let an action open a menu, in place of doing something."""
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        action = self.actions_by_name[name]
        action.setMenu(menu)
        self._fill(self.specs[name].menu)
        menu.setTitle(action.text())
        return menu

    def menu(self, name: str) -> QMenu:
        """One of the menus of the menu bar."""
        return self._menus[name]

    def _fill_toolbar(self) -> None:
        self.toolbar.clear()
        shown = [spec for menu in MENUS for spec in self.specs.values() if spec.menu == menu]
        last = ""
        for spec in shown:
            if not spec.toolbar:
                continue
            if last and spec.menu != last:
                self.toolbar.addSeparator()
            last = spec.menu
            action = self.actions_by_name[spec.name]
            self.toolbar.addAction(action)
            button = self.toolbar.widgetForAction(action)
            if button is not None:
                button.setAccessibleName(spec.text)
                button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
                if action.icon().isNull() or spec.name == "analysis.run":
                    button.setProperty("toolButtonStyle", _TEXT_TOO)

    def action(self, name: str) -> QAction:
        """An action by its name."""
        return self.actions_by_name[name]

    def set_present(self, present: frozenset[str]) -> None:
        """Say what is there ("pair", "result", "series", "store"): it enables actions."""
        if present == self._present:
            return
        self._present = present
        for name, spec in self.specs.items():
            if spec.needs:
                set_enabled(self.actions_by_name[name], spec, present)

    # -- panels

    def add_panel(
        self, name: str, title: str, widget: QWidget, side: Side, *, shown: bool = True
    ) -> QDockWidget:
        """Put a widget into a panel that can be moved, hidden and torn off.

        Parameters
        ----------
        name : str
            For :meth:`show_panel` and the remembered layout.
        title : str
        widget : QWidget
            Gets a scroll area around it unless it is one.
        side : "left", "right" or "bottom"
            Panels of one side share it as tabs.
        shown : bool
            Whether it is there when the program starts for the first time.
        """
        dock = QDockWidget(title, self)
        dock.setObjectName(f"panel.{name}")
        dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetClosable
            | QDockWidget.DockWidgetFeature.DockWidgetMovable
            | QDockWidget.DockWidgetFeature.DockWidgetFloatable
        )
        dock.setAccessibleName(title)
        if isinstance(widget, QAbstractScrollArea):
            dock.setWidget(widget)
        else:
            area = QScrollArea()
            area.setWidgetResizable(True)
            area.setFrameShape(QScrollArea.Shape.NoFrame)
            area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            area.setMinimumWidth(min(280, widget.minimumSizeHint().width() + 20))
            area.setWidget(widget)
            dock.setWidget(area)
        toggle = dock.toggleViewAction()
        if toggle is not None:
            toggle.setObjectName(f"panel.{name}")
            toggle.setToolTip(f"Show or hide the panel {title}")
        others = [d for n, d in self.panels.items() if self._side_of[n] == side]
        self.addDockWidget(_AREAS[side], dock)
        dock.setVisible(shown)  # before it becomes a tab: else a tab bar of nobody stays behind
        if others:
            self.tabifyDockWidget(others[-1], dock)
        self._side_of[name] = side
        self.panels[name] = dock
        self._fill("View")
        return dock

    def panel(self, name: str) -> QDockWidget:
        """A panel by its name."""
        return self.panels[name]

    def show_panel(self, name: str) -> None:
        """Open a panel and bring it to the front."""
        dock = self.panels[name]
        dock.show()
        dock.raise_()

    def set_navigator(self, widget: QWidget) -> None:
        """Put a bar below the canvas."""
        widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._below.addWidget(widget)

    def set_welcome(self, shown: bool) -> None:
        """Show what to do first, in place of the canvas."""
        self._stack.setCurrentWidget(self.welcome if shown else self.canvas)

    # -- status bar

    def _make_status_bar(self) -> None:
        bar = self.statusBar()
        assert bar is not None
        bar.setSizeGripEnabled(False)
        self.source_label = QLabel()
        self.source_label.setAccessibleName("What is open")
        self.source_label.setContentsMargins(8, 0, 8, 0)
        self.busy_label = QLabel()
        self.busy_label.setAccessibleName("What is running")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress")
        self.progress.setFixedWidth(160)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setObjectName("cancel")
        self.cancel_button.setAccessibleName("Cancel what is running")
        self.cancel_button.setToolTip("Stop what is running; what is finished is kept (Esc)")
        self.cancel_button.clicked.connect(self.cancel)
        self.readout = QLabel()
        self.readout.setAccessibleName("Under the cursor")
        self.readout.setTextFormat(Qt.TextFormat.PlainText)
        self.readout.setContentsMargins(8, 0, 8, 0)
        bar.addWidget(self.source_label)
        for widget in (self.readout, self.busy_label, self.progress, self.cancel_button):
            bar.addPermanentWidget(widget)
        self._show_running()

    def set_busy(
        self,
        text: str | None,
        fraction: float | None,
        cancel: Callable[[], None] | None,
        *,
        of: str = "",
    ) -> None:
        """Show what is running, how far it is (None = not known) and a button that ends it.

        Parameters
        ----------
        text : str or None
            None: this is not running any more.
        fraction : float or None
            0..1.
        cancel : callable or None
        of : str
            Whose this is.  Of several that run the one that began last is shown, and when it ends
            the one before it again.
        """
        if text is None:
            self._running.pop(of, None)
        else:
            self._running[of] = _Running(text, fraction, cancel)
        self._show_running()

    def _show_running(self) -> None:
        shown = next(reversed(self._running.values()), None)
        others = f"  (and {len(self._running) - 1} more)" if len(self._running) > 1 else ""
        self.busy_label.setText(shown.text + others if shown else "")
        fraction = shown.fraction if shown else None
        self.progress.setRange(0, 0 if fraction is None else 1000)
        self.progress.setValue(0 if fraction is None else round(1000 * fraction))
        self.progress.setTextVisible(fraction is not None)
        self.busy_label.setVisible(shown is not None)
        self.progress.setVisible(shown is not None)
        can_end = shown is not None and shown.cancel is not None
        self.cancel_button.setVisible(can_end)
        self.cancel_button.setEnabled(can_end)

    @property
    def busy(self) -> bool:
        """Whether something runs that can be cancelled."""
        return any(each.cancel is not None for each in self._running.values())

    def cancel(self) -> None:
        """End what is running, if that can be done: of several, the one that began last."""
        for of, each in reversed(self._running.items()):
            if each.cancel is not None:
                self._running[of] = each._replace(cancel=None)
                self._show_running()
                each.cancel()
                return

    def set_readout(self, text: str) -> None:
        """Show the values under the cursor."""
        self.readout.setText(text)

    def set_source_text(self, text: str) -> None:
        """Say in the status bar what is open."""
        self.source_label.setText(text)

    def show_message(self, message: Message) -> None:
        """Show a message above the canvas."""
        self.message_bar.show_message(message)

    # -- layout

    def begin_layout(self) -> None:
        """Fill the tool bar and bring the first panel of every side to the front: all are there."""
        self._fill_toolbar()
        for side in _AREAS:
            first = next((n for n, s in self._side_of.items() if s == side), None)
            if first is not None:
                self.panels[first].raise_()
        self._first_layout = self.layout_state()

    def layout_state(self) -> dict[str, Any]:
        """Size, place and panels of the window, as JSON can hold it."""
        return {
            "version": _LAYOUT,
            "geometry": _encoded(self.saveGeometry()),
            "state": _encoded(self.saveState(_LAYOUT)),
        }

    def restore_layout(self, state: dict[str, Any]) -> bool:
        """Take a remembered layout; False if it cannot be used."""
        geometry, panels = (_decoded(state.get(key)) for key in ("geometry", "state"))
        if state.get("version") != _LAYOUT or geometry is None or panels is None:
            return False
        self.restoreGeometry(geometry)
        return self.restoreState(panels, _LAYOUT)

    def reset_layout(self) -> None:
        """Put every panel back where it was at first."""
        if self._first_layout is not None:
            state = _decoded(self._first_layout["state"])
            assert state is not None
            self.restoreState(state, _LAYOUT)

    # -- events

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files that are dragged over the window."""
        if event is None:
            return
        data = event.mimeData()
        if data is not None and any(url.isLocalFile() for url in data.urls()):
            event.acceptProposedAction()
            self.welcome.set_hot(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent | None) -> None:
        """Show that nothing would be dropped any more."""
        super().dragLeaveEvent(event)
        self.welcome.set_hot(False)

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Open what was dropped."""
        self.welcome.set_hot(False)
        data = event.mimeData() if event is not None else None
        if event is None or data is None:
            return
        paths = [url.toLocalFile() for url in data.urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def changeEvent(self, event: QEvent | None) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.PaletteChange:
            self.message_bar.restyle()

    def closeEvent(self, event: QCloseEvent | None) -> None:
        """Close unless somebody objects."""
        if event is None:
            return
        self.closing.emit(event)
        if event.isAccepted():
            self.closed.emit()

    def end(self) -> None:
        """Hide it for good: the program has ended."""
        self._running.clear()
        self.hide()


_TITLES = {"Synthetic": "S&ynthetic", "Export": "E&xport"}  # S and E are others' letters
_TEXT_TOO = Qt.ToolButtonStyle.ToolButtonTextBesideIcon


def _encoded(data: QByteArray) -> str:
    return base64.b64encode(data.data()).decode("ascii")


def _decoded(text: object) -> QByteArray | None:
    try:
        return QByteArray(base64.b64decode(str(text), validate=True))
    except (binascii.Error, ValueError):
        return None
