"""Language and zone: what the two choices show, and which of them is in force."""

import pytest

from cockpit.pages.switches import switch_data, zone_choice
from cockpit.reader import EXCHANGE, Reader, zone_of

BROWSERS = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("address", "current"),
    [
        (None, "utc"),
        ("utc", "utc"),
        ("exchange", "exchange"),
        ("local", "local"),
        (EXCHANGE, "exchange"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("no/where", "utc"),
        ("../etc/passwd", "utc"),
    ],
)
def test_the_zone_in_force_is_one_of_those_offered(address: str | None, current: str) -> None:
    reader = Reader(zone=zone_of(address, BROWSERS))
    data = switch_data(reader, address)
    assert data["zone"] == current
    assert [value for value, _, _ in data["zones"]].count(current) == 1


def test_a_zone_that_the_browser_does_not_tell_is_utc_and_still_the_choice() -> None:
    reader = Reader(zone=zone_of("local", None))
    assert (reader.zone, zone_choice(reader, "local")) == ("UTC", "local")


def test_each_language_is_offered_in_its_own_words() -> None:
    for language in ("en", "zh"):
        data = switch_data(Reader(language=language), None)
        assert data["languages"] == [("en", "English", "en"), ("zh", "简体中文", "zh-Hans")]
        assert data["lang"] == language
