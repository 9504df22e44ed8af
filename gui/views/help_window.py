"""The help page, with its list of keys made from the actions, and the page about the program."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from html import escape
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from PyQt6.QtCore import QT_VERSION_STR, Qt
from PyQt6.QtGui import QKeySequence, QShortcut
from PyQt6.QtWidgets import QTextBrowser, QVBoxLayout, QWidget

from gui.views.actions import MENUS, ActionSpec

# what the program is made of: distribution, licence, what it does here
_PARTS = (
    ("PyQt6", "GPL v3 or commercial", "the window"),
    ("pyqtgraph", "MIT", "the canvas and the charts"),
    ("torch", "BSD-3-Clause", "correlation and the network"),
    ("numpy", "BSD-3-Clause", "arrays"),
    ("scipy", "BSD-3-Clause", "filters, statistics"),
    ("h5py", "BSD-3-Clause", "HDF5 files"),
    ("matplotlib", "Matplotlib licence (BSD-like)", "figures"),
    ("opencv-python-headless", "Apache-2.0", "reading videos"),
    ("tifffile", "BSD-3-Clause", "tif images"),
    ("imagecodecs", "BSD-3-Clause", "compressed tif images"),
    ("imageio", "BSD-2-Clause", "png, bmp and jpg images"),
    ("pillow", "MIT-CMU", "films"),
    ("safetensors", "Apache-2.0", "weights"),
    ("filelock", "MIT", "one writer for each store"),
    ("rich", "MIT", "progress in the terminal"),
)


class HelpWindow(QWidget):
    """A page in a window of its own, beside the program's."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.browser = QTextBrowser()
        self.browser.setOpenExternalLinks(True)
        self.browser.setAccessibleName("Help page")
        self.browser.setToolTip("The page can be copied from")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.browser)
        self.resize(760, 720)
        for keys in (QKeySequence(Qt.Key.Key_Escape), QKeySequence.StandardKey.Close):
            QShortcut(keys, self, self.close)

    def show_page(self, title: str, html: str) -> None:
        """Show a page of HTML."""
        self.setWindowTitle(title)
        self.browser.setAccessibleName(title)
        self.browser.setHtml(html)
        self.show()
        self.raise_()
        self.activateWindow()


def help_html(specs: Iterable[ActionSpec]) -> str:
    """The help page: its text, and the keys and tips of all actions.

    Parameters
    ----------
    specs : iterable of ActionSpec
    """
    page = (files("gui") / "resources" / "help.html").read_text(encoding="utf-8")
    return page.replace("<!-- actions -->", actions_html(specs))


def actions_html(specs: Iterable[ActionSpec]) -> str:
    """A table of every menu: what each entry does, and its keys."""
    known = list(specs)
    parts = []
    for menu in MENUS:
        rows = [spec for spec in known if spec.menu == menu]
        if not rows:
            continue
        parts.append(f"<h3>{menu}</h3><table cellpadding='3' width='100%'>")
        parts += [
            f"<tr><td width='24%'>{escape(spec.text)}</td>"
            f"<td width='20%'><b>{escape(keys_text(spec))}</b></td>"
            f"<td>{escape(spec.tip)}</td></tr>"
            for spec in rows
        ]
        parts.append("</table>")
    return "".join(parts)


def keys_text(spec: ActionSpec) -> str:
    """The keys of an action as this system writes them."""
    native = QKeySequence.SequenceFormat.NativeText
    return ", ".join(QKeySequence(key).toString(native) for key in spec.shortcut.split(", ") if key)


def about_html() -> str:
    """Versions and licences."""
    rows = [("Python", platform.python_version(), "PSF", ""), ("Qt", QT_VERSION_STR, "LGPL v3", "")]
    for name, licence, purpose in _PARTS:
        try:
            rows.append((name, version(name), licence, purpose))
        except PackageNotFoundError:
            continue
    table = "".join(
        f"<tr><td><b>{escape(name)}</b></td><td>{escape(number)}</td>"
        f"<td>{escape(licence)}</td><td>{escape(purpose)}</td></tr>"
        for name, number, licence, purpose in rows
    )
    return (
        f"<h2>PIV {version('ccfcn-piv')}</h2>"
        "<p>Particle image velocimetry with a velocity and its uncertainty at every pixel. "
        "Licence of this program: BSD-3-Clause.</p>"
        "<p>How to cite it: the file CITATION.cff; the method's paper is Gao, Lin, Tu, Zhu, Wei, "
        "Zhang and Shao, <i>Physics of Fluids</i> 33, 127125 (2021).</p>"
        "<h3>Made with</h3>"
        f"<table cellpadding='3'>{table}</table>"
        f"<p>{escape(platform.platform())}</p>"
    )
