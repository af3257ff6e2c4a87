"""Faults of the line: the handshake, single requests, bytes and pace."""

from typing import Literal

from daemon.simulator.faults.base import FaultKind, LineEnd, RequestFault


class SilentHandshake(FaultKind, frozen=True, kw_only=True, tag="silent_handshake"):
    """The socket opens, and the client's hello is never answered, as by a gateway that waits at its login window."""


class StrangeHello(FaultKind, frozen=True, kw_only=True, tag="strange_hello"):
    """The hello is answered with another server version, or with this text instead of any."""

    version: int = 150
    raw: str | None = None


class ClientIdInUse(FaultKind, frozen=True, kw_only=True, tag="client_id_in_use"):
    """The client is told error 326 and closed although nobody else has its id (a zombie session holds it)."""


class Mute(RequestFault, frozen=True, kw_only=True, tag="mute"):
    """This request is taken and never answered nor obeyed; `placeOrder` is an order that gets lost."""


class HalfOpen(RequestFault, frozen=True, kw_only=True, tag="half_open"):
    """When this request arrives the socket stays open, but nothing is read or answered any more."""

    request: str = "reqCurrentTime"


class DelayAnswers(RequestFault, frozen=True, kw_only=True, tag="delay_answers"):
    """This request is obeyed and answered so many wall seconds late; others overtake it."""

    delay_s: float


class CutAnswer(RequestFault, frozen=True, kw_only=True, tag="cut_answer"):
    """Only the first messages of the answer are said; then the line ends, or just the rest (the end too) is missing."""

    messages: int = 1
    how: Literal["rst", "fin", "silence"] = "fin"


class DropAfter(RequestFault, frozen=True, kw_only=True, tag="drop_after"):
    """This request is obeyed, then the line is cut before a word of it is said."""

    how: LineEnd = "rst"


class BreakFrame(RequestFault, frozen=True, kw_only=True, tag="break_frame"):
    """Before this answer stands the length of a frame of 4 GB; or half of the answer is the last that ever comes."""

    request: str = "reqCurrentTime"
    how: Literal["huge", "truncated"] = "huge"


class SplitFrames(FaultKind, frozen=True, kw_only=True, tag="split_frames"):
    """Writes leave in pieces of so many bytes."""

    chunk_bytes: int = 1


class LimitMessages(FaultKind, frozen=True, kw_only=True, tag="limit_messages"):
    """More requests than this in one wall second: error 100 instead of obedience; the last strike ends the line."""

    per_second: int = 50
    strikes: int = 3


class RollBackIds(FaultKind, frozen=True, kw_only=True, tag="roll_back_ids"):
    """The next valid order id is said to be this one, though higher ones were used (error 103 for who believes it)."""

    order_id: int = 1


LineFault = (
    SilentHandshake
    | StrangeHello
    | ClientIdInUse
    | Mute
    | HalfOpen
    | DelayAnswers
    | CutAnswer
    | DropAfter
    | BreakFrame
    | SplitFrames
    | LimitMessages
    | RollBackIds
)
