"""Fail a test on any error that ib_async logs, unless the test says that it expects it.

A wrong field count never crashes ib_async: its decoder logs an error and drops the message. So silence of its
loggers is part of every test over the wire; errors of the decoder can not be expected away.
"""

import logging
import re
from collections.abc import Iterator

import pytest


class IbErrorWatch(logging.Handler):
    """Collects what ib_async logs at ERROR and above."""

    def __init__(self) -> None:
        super().__init__(level=logging.ERROR)
        self.records: list[logging.LogRecord] = []
        self._expected: list[re.Pattern[str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def expect(self, pattern: str) -> None:
        """Errors that match this (as `re.search`) are part of the test."""
        self._expected.append(re.compile(pattern))

    def unexpected(self) -> list[str]:
        return [
            f"{record.name}: {record.getMessage()}"
            for record in self.records
            if record.name == "ib_async.Decoder"
            or not any(pattern.search(record.getMessage()) for pattern in self._expected)
        ]


@pytest.fixture
def ib_errors() -> Iterator[IbErrorWatch]:
    """The watch over ib_async's loggers; the test fails when it saw an error that was not expected."""
    watch = IbErrorWatch()
    root = logging.getLogger("ib_async")
    root.addHandler(watch)
    yield watch
    root.removeHandler(watch)
    assert watch.unexpected() == []
