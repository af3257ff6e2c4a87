"""The faults in force, and whose turn it is."""

from typing import TypeVar

from daemon.simulator.faults.base import FaultKind

_Kind = TypeVar("_Kind", bound=FaultKind)


class _Armed:
    """One fault and how often it was met."""

    def __init__(self, fault: FaultKind) -> None:
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

    def __init__(self, faults: tuple[FaultKind, ...] = ()) -> None:
        self._armed: dict[type[FaultKind], list[_Armed]] = {}
        """Kind -> the faults of that kind in the order they came."""
        for fault in faults:
            self.add(fault)

    def add(self, fault: FaultKind) -> None:
        """Put one more fault in force."""
        self._armed.setdefault(type(fault), []).append(_Armed(fault))

    def clear(self) -> None:
        """End every fault; links that are already half-open stay so."""
        self._armed.clear()

    def replace(self, faults: tuple[FaultKind, ...]) -> None:
        """Put exactly these in force. Those that were in force already go on counting where they are."""
        known = [armed for kind in self._armed.values() for armed in kind]
        self.clear()
        for fault in faults:
            before = next((armed for armed in known if armed.fault == fault), None)
            if before is None:
                self.add(fault)
            else:
                known.remove(before)
                self._armed.setdefault(type(fault), []).append(before)

    def hit(self, kind: type[_Kind], client_id: int, subject: str = "") -> _Kind | None:
        """The fault of this kind that harms this event, if any. `subject` names the request or the instrument."""
        in_force = self._armed.get(kind)
        if in_force is None:  # the usual case, asked for every quote and request
            return None
        found: _Kind | None = None
        for armed in in_force:
            fault = armed.fault
            if fault.client_id not in (None, client_id) or not fault.concerns(subject):
                continue
            if armed.hit() and found is None and isinstance(fault, kind):
                found = fault
        return found
