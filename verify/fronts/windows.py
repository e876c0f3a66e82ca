"""Windows: a file dropped on the program opens a console that would close with it, before anyone can read it."""

from __future__ import annotations

import sys
from collections.abc import Iterable

_OURS = ("mailverdict", "python", "py.exe", "pyw.exe")


def only_ours(images: Iterable[str]) -> bool:
    """True when nobody but this program sits at the console.  ``images``: paths of its processes' programs.

    The launchers of Python and of a virtual environment are processes of their own, a shell has another name.
    """
    names = [image.replace("\\", "/").rsplit("/", 1)[-1].lower() for image in images]
    return bool(names) and all(name.startswith(_OURS) for name in names)


def wait_in_own_console() -> None:
    """Wait for Enter when the console was opened for us alone."""
    if sys.stdin is None or not sys.stdin.isatty() or not only_ours(_console_programs()):
        return
    sys.stderr.write("\nPress Enter to close this window. ")
    sys.stderr.flush()
    sys.stdin.readline()


def _console_programs() -> list[str]:
    """The programs of the processes that share our console; an empty text for one that may not be asked."""
    programs: list[str] = []
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = wintypes.HANDLE
        pids = (wintypes.DWORD * 64)()
        count = kernel.GetConsoleProcessList(pids, len(pids))
        for pid in pids[: min(count, len(pids))]:
            process = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
            text = ctypes.create_unicode_buffer(32768)
            size = wintypes.DWORD(len(text))
            if process:
                kernel.QueryFullProcessImageNameW(wintypes.HANDLE(process), 0, text, ctypes.byref(size))
                kernel.CloseHandle(wintypes.HANDLE(process))
            programs.append(text.value)
    return programs
