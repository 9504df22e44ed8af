"""Process-wide tuning that changes speed, never a number."""

from __future__ import annotations

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_done = False


def keep_memory() -> None:
    """Let glibc keep freed blocks instead of giving every large one back to the system.

    Large tensors otherwise cost a page fault per 4 KiB each time they are made (measured: 25
    correlation planes of 1 Mpx, 92 ms without and 7 ms with).  Does nothing where the C library
    is not glibc.
    """
    global _done  # noqa: PLW0603  (a process-wide switch of the C library)
    if _done or platform.libc_ver()[0] != "glibc":
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        libc.mallopt(_M_TOP_PAD, 1 << 26)
    except (OSError, AttributeError):
        return
    _done = True
