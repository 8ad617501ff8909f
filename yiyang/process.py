"""Processes that do not outlive the one that started them: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int, with_signal: signal.Signals) -> None:
    """Let the kernel send `with_signal` to this process when `parent` dies, even by kill -9. Only Linux can."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), with_signal)


def dying_with_me(with_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`. It runs in the child after the change of user, which would clear the request."""
    me = os.getpid()
    return lambda: die_with_parent(me, with_signal)


def command_line(pid: int) -> list[str] | None:
    """The arguments of a live process; None when there is none, or no /proc that tells."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
