"""What goes wrong on purpose: a fault script, from a YAML file or from a test.

A fault names what it hits, how many hits pass first (`after`) and how many it harms (`count`, null = all). Adding a
kind: a struct here, its name in `Fault`, and one question to the script where the simulator would do the thing.
"""

from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import yaml


class FaultFileError(ValueError):
    """A fault script cannot be used; one line names file, key and remedy."""


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """What every fault can say."""

    after: int = 0
    """So many hits pass unharmed first."""
    count: int | None = None
    """So many hits are harmed; null is every one from then on."""
    client_id: int | None = None
    """Only this client; null is every client."""


class RejectOrders(_Fault, frozen=True, kw_only=True, tag="reject_orders"):
    """New orders are refused with this error."""

    code: int = 201
    text: str = "Order rejected - reason:fault script"


class DropAfterOrder(_Fault, frozen=True, kw_only=True, tag="drop_after_order"):
    """The order is executed, then the connection ends before a word of it is said."""

    how: Literal["rst", "fin"] = "rst"


class Mute(_Fault, frozen=True, kw_only=True, tag="mute"):
    """This request is taken and never answered nor obeyed; `placeOrder` is an order that gets lost."""

    request: str


class DelayCommissions(_Fault, frozen=True, kw_only=True, tag="delay_commissions"):
    """Commission reports come so many wall seconds late; null is never."""

    delay_s: float | None = None


class HalfOpen(_Fault, frozen=True, kw_only=True, tag="half_open"):
    """When this request arrives the socket stays open, but nothing is read or answered any more."""

    request: str = "reqCurrentTime"


class FreezeQuotes(_Fault, frozen=True, kw_only=True, tag="freeze_quotes"):
    """Steps of the market are not told to subscribers; null freezes every instrument."""

    instruments: tuple[str, ...] | None = None


Fault = RejectOrders | DropAfterOrder | Mute | DelayCommissions | HalfOpen | FreezeQuotes
_Kind = TypeVar("_Kind", RejectOrders, DropAfterOrder, Mute, DelayCommissions, HalfOpen, FreezeQuotes)


class _FaultFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: one key, `faults`."""

    faults: tuple[Fault, ...]


def load_faults(path: Path) -> tuple[Fault, ...]:
    """A fault script from YAML. Raises FaultFileError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FaultFileError(f"{path}: cannot read the fault script: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise FaultFileError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    try:
        return msgspec.convert(content, _FaultFile).faults
    except msgspec.ValidationError as error:
        raise FaultFileError(f"{path}: {error}; docs/simulator.md lists the faults") from None


class _Armed:
    """One fault and how often it was met."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.met = 0

    def hit(self) -> bool:
        self.met += 1
        if self.met <= self.fault.after:
            return False
        return self.fault.count is None or self.met <= self.fault.after + self.fault.count


class FaultScript:
    """The faults in force. The one rule: each question counts as one hit, so it is asked once per event.

    Every fault that a hit concerns counts it; the first that harms it wins.
    """

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._armed = [_Armed(fault) for fault in faults]

    def add(self, fault: Fault) -> None:
        """Put one more fault in force."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """End every fault; links that are already half-open stay so."""
        self._armed.clear()

    def rejection(self, client_id: int) -> RejectOrders | None:
        """Whether to refuse the order that is just coming in."""
        return self._hit(RejectOrders, client_id)

    def drop_after_order(self, client_id: int) -> DropAfterOrder | None:
        """Whether to cut the line after the order that was just executed."""
        return self._hit(DropAfterOrder, client_id)

    def mutes(self, request: str, client_id: int) -> bool:
        """Whether to leave this request without an answer."""
        return self._hit(Mute, client_id, request=request) is not None

    def half_opens(self, request: str, client_id: int) -> bool:
        """Whether to go half-open on this request."""
        return self._hit(HalfOpen, client_id, request=request) is not None

    def commission_delay(self, client_id: int) -> DelayCommissions | None:
        """Whether the commission that is due now comes late or never."""
        return self._hit(DelayCommissions, client_id)

    def freezes(self, instrument: str, client_id: int) -> bool:
        """Whether this instrument's step is kept from this client."""
        return self._hit(FreezeQuotes, client_id, instrument=instrument) is not None

    def _hit(
        self, kind: type[_Kind], client_id: int, *, request: str | None = None, instrument: str | None = None
    ) -> _Kind | None:
        found: _Kind | None = None
        for armed in self._armed:
            fault = armed.fault
            if not isinstance(fault, kind) or fault.client_id not in (None, client_id):
                continue
            if isinstance(fault, Mute | HalfOpen) and fault.request != request:
                continue
            if isinstance(fault, FreezeQuotes) and fault.instruments and instrument not in fault.instruments:
                continue
            if armed.hit() and found is None:
                found = fault
        return found
