"""Whether the machine's clock is kept right by the network, as far as the kernel knows."""

import ctypes
import ctypes.util
from typing import ClassVar

import msgspec

_NOT_SYNCHRONISED = 0x40
_PADDING_LONGS = 40
"""The kernel's structure goes on; so much room is enough on every platform."""


class _Timex(ctypes.Structure):
    """The beginning of the kernel's `struct timex`; `modes` 0 only reads."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * _PADDING_LONGS),
    ]


class ClockState(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel knows of its own clock. `is_synchronised` None where it does not tell."""

    is_synchronised: bool | None
    estimated_error_ms: float | None = None


def clock_state() -> ClockState:
    """Ask the kernel (Linux). Never raises; needs no rights, changes nothing."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        told = _Timex()
        answer = int(library.adjtimex(ctypes.byref(told)))
    except (OSError, AttributeError, TypeError):
        return ClockState(is_synchronised=None)
    if answer < 0:
        return ClockState(is_synchronised=None)
    kept = not told.status & _NOT_SYNCHRONISED
    return ClockState(is_synchronised=kept, estimated_error_ms=told.esterror / 1000 if kept else None)
