"""The choice of language and time zone: two parts of the address, shown at the end of the navigation row."""

from typing import Any

from cockpit import components
from cockpit.language import HTML_LANGUAGE, LANGUAGES
from cockpit.reader import EXCHANGE, UTC, ZONE_CHOICES, Reader


def switch_data(reader: Reader, chosen_zone: str | None) -> dict[str, Any]:
    """What the two choices show. `chosen_zone` is what the address says: a choice, or a zone's own name."""
    zones: list[tuple[str, str, str]] = [(choice, reader.say(f"frame.zones.{choice}"), "") for choice in ZONE_CHOICES]
    current = zone_choice(reader, chosen_zone)
    if current not in ZONE_CHOICES:
        zones.append((current, current, ""))
    return {
        "lang": reader.language,
        "html_lang": HTML_LANGUAGE[reader.language],
        "languages": [(language, name, HTML_LANGUAGE[language]) for language, name in LANGUAGES.items()],
        "label_language": reader.say("frame.language"),
        "zone": current,
        "zones": zones,
        "label_zone": reader.say("frame.zone"),
    }


def zone_choice(reader: Reader, chosen_zone: str | None) -> str:
    """Which of the choices is in force; an unknown zone in the address has become UTC."""
    if chosen_zone in ZONE_CHOICES:
        return chosen_zone
    return {UTC: "utc", EXCHANGE: "exchange"}.get(reader.zone, reader.zone)


def draw(reader: Reader, chosen_zone: str | None) -> None:
    """Both choices. The key changes with what is chosen, so that a choice never shows what is not in force."""
    components.switches(
        key=f"switches-{reader.language}-{zone_choice(reader, chosen_zone).replace('/', '-')}",
        data=switch_data(reader, chosen_zone),
    )
