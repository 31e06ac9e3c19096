"""Memory that the process keeps instead of giving it back and asking for it again."""

from __future__ import annotations

import ctypes

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST = 32 * 2**20  # bytes; glibc accepts no larger block for its heap
_KEPT = 2**30  # bytes


def keep_freed_memory() -> bool:
    """Let glibc keep up to 1 GiB of freed memory, in blocks of up to 32 MiB; return whether it does.

    By default it hands a tensor's memory back to the system once it is freed, and every step pays for fresh
    pages: half of the time of a gradient over 1,000 digits. Without glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not Linux, another C library, Windows
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
