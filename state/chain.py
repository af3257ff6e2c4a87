r"""One line of a hash-chained file: how it is sealed, and how it is checked.

A line is JSON on one line that ends with its hash:

    {"seq":7,"ts":"...", ... ,"hash":"9f86d0..."}\n

The *body* is the same object without the last member. The hash is the lower-case hexadecimal SHA-256 over the
previous line's hash (its 64 characters; 64 zeros before the first line) followed by the body's bytes. The check
compares bytes, never parsed values, so that one flipped bit anywhere is seen.
"""

import hashlib
from typing import Literal

import msgspec

from state.undecodable import UNDECODABLE

GENESIS = "0" * 64
"""What stands for the previous hash of the very first line."""

_OPENING = b',"hash":"'
_CLOSING = b'"}\n'
_TRAILER_LENGTH = len(_OPENING) + 64 + len(_CLOSING)

Kind = Literal[
    "not_a_line", "hash", "sequence", "torn", "missing_segment", "archive", "lost_tail", "unknown_type", "unreadable"
]
"""What can be wrong: no sealed JSON line; edited bytes; lines deleted, added or moved; an unfinished last line;
a segment file that is gone; a compressed one that does not unpack; lines gone from the end; a type that this
version does not know; no permission."""


class LineError(Exception):
    """A line that does not continue the chain."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind: Kind = kind


class Head(msgspec.Struct, frozen=True):
    """Where a chain stands: the sequence number and hash of its last line."""

    seq: int = 0
    hash: str = GENESIS


class _Numbered(msgspec.Struct, frozen=True):
    seq: int


_numbered = msgspec.json.Decoder(_Numbered)


def seal(head: Head, body: bytes) -> tuple[bytes, Head]:
    """Chain one JSON object (at least one member, no line break) to `head`: the line's bytes and the new head."""
    digest = _digest(head.hash, body)
    return body[:-1] + _OPENING + digest.encode() + _CLOSING, Head(head.seq + 1, digest)


def check(head: Head, line: bytes) -> tuple[bytes, Head]:
    """The body of a line (given with its line break) and the head after it. Raises LineError."""
    body, found = _split(line)
    expected = _digest(head.hash, body)
    if found != expected.encode():
        raise _explain(head, body)
    seq = _sequence_of(body)
    if seq != head.seq + 1:
        raise LineError("sequence", f"seq {seq} follows {head.seq}")
    return body, Head(seq, expected)


def read_head(line: bytes) -> Head:
    """Where the chain stands after this line, taken from its own words. Raises LineError for what is no line."""
    body, found = _split(line)
    return Head(_sequence_of(body), found.decode("latin-1"))


def _split(line: bytes) -> tuple[bytes, bytes]:
    """Body and hash of a line, by their places in it."""
    if not line.endswith(b"\n"):
        raise LineError("torn", "an unfinished line")
    if not line.endswith(_CLOSING) or line[-_TRAILER_LENGTH : -_TRAILER_LENGTH + len(_OPENING)] != _OPENING:
        raise LineError("not_a_line", "does not end with a hash")
    return line[:-_TRAILER_LENGTH] + b"}", line[-_TRAILER_LENGTH + len(_OPENING) : -len(_CLOSING)]


def _digest(previous: str, body: bytes) -> str:
    digest = hashlib.sha256(previous.encode("latin-1"))
    digest.update(body)
    return digest.hexdigest()


def _sequence_of(body: bytes) -> int:
    try:
        return _numbered.decode(body).seq
    except UNDECODABLE as error:
        raise LineError("not_a_line", f"no JSON object with a seq: {error}") from error


def _explain(head: Head, body: bytes) -> LineError:
    """Tell a missing or moved line from an edited one, by the number that stands in it."""
    try:
        seq = _sequence_of(body)
    except LineError as error:
        return error
    if seq != head.seq + 1:
        return LineError("sequence", f"seq {seq} follows {head.seq}: lines were deleted, added or moved")
    return LineError("hash", f"seq {seq} does not match its hash: the line or the one before it was changed")
