"""What every fault can say, and the ways in which a connection can end."""

from typing import Literal

import msgspec

LineEnd = Literal["rst", "fin"]
"""Abruptly, as a crashed gateway or a cut line; or in an orderly way."""


class FaultKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """One thing that goes wrong on purpose. The one rule: a kind says what it hits, never whether it is its turn."""

    after: int = 0
    """So many hits pass unharmed first."""
    count: int | None = None
    """So many hits are harmed; null is every one from then on."""
    client_id: int | None = None
    """Only this client; null is every client, and those who have not said yet who they are."""

    def concerns(self, subject: str) -> bool:
        """Whether this hit is meant: `subject` is a request's or an instrument's name, or empty."""
        del subject
        return True


class RequestFault(FaultKind, frozen=True, kw_only=True):
    """A fault that one request, named as in the API, sets off."""

    request: str
    """`reqPositions`, `placeOrder`, ...; `modifyOrder` is a placeOrder of an order that already works."""

    def concerns(self, subject: str) -> bool:
        """That request only."""
        return subject == self.request


class InstrumentFault(FaultKind, frozen=True, kw_only=True):
    """A fault of the data of some instruments."""

    instruments: tuple[str, ...] | None = None
    """Their names, such as `TWX` or `TWX 20140719 C 70`; null is every instrument."""

    def concerns(self, subject: str) -> bool:
        """Those instruments, or all."""
        return self.instruments is None or subject in self.instruments
