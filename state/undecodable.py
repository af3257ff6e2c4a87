"""What decoding somebody else's bytes may raise. Whoever reads a file that others can write catches all of it."""

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""No JSON or another shape; no UTF-8; nested deeper than the interpreter follows, also in a member nobody asked for."""
