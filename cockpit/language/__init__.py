"""The words of the pages, one catalogue of TOML files per language: `<language>/<area>.toml`.

A key is `area.name` or `area.group.name`; a text may hold `{name}` places. The files hold no logic, so a third
language is a third folder. `tests/cockpit/test_language.py` keeps the languages and the code together.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from cockpit.language.phrases import Phrases

Language = Literal["en", "zh"]
LANGUAGES: Final[dict[Language, str]] = {"en": "English", "zh": "简体中文"}
"""What the page's switch calls each of them, in its own words."""
HTML_LANGUAGE: Final[dict[Language, str]] = {"en": "en", "zh": "zh-Hans"}
_FOLDER = Path(__file__).parent


class Words:
    """The texts of one language."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._areas: dict[str, dict[str, str]] = {}

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of a key with its places filled. Raises KeyError for a key that no catalogue has."""
        text = self._texts[key]
        return text.format_map(values) if values else text

    def find(self, key: str) -> str | None:
        """The text of a key that was made from data (a reason's code, a journal type); None where there is none."""
        return self._texts.get(key)

    def area(self, area: str) -> dict[str, str]:
        """Every text of one area by its name, for a script in the browser."""
        found = self._areas.get(area)
        if found is None:
            start = f"{area}."
            found = {key.removeprefix(start): text for key, text in self._texts.items() if key.startswith(start)}
            self._areas[area] = found
        return found

    @property
    def keys(self) -> frozenset[str]:
        """Every key."""
        return frozenset(self._texts)


@cache
def words_of(language: Language) -> Words:
    """The catalogue of a language. Raises tomllib.TOMLDecodeError for a file that is none."""
    texts: dict[str, str] = {}
    for path in sorted((_FOLDER / language).glob("*.toml")):
        _flatten(tomllib.loads(path.read_text(encoding="utf-8")), path.stem, texts)
    return Words(texts)


@cache
def phrases_of(language: Language) -> Phrases:
    """The sentences of desks' files that a language can say; none in English, which the files are in."""
    return Phrases(words_of(language).area("phrases"))


def chosen(wanted: str | None) -> Language:
    """The language that an address names; English for any other value."""
    return "zh" if wanted == "zh" else "en"


def _flatten(content: Mapping[str, Any], start: str, texts: dict[str, str]) -> None:
    for name, value in content.items():
        key = f"{start}.{name}"
        if isinstance(value, Mapping):
            _flatten(value, key, texts)
        else:
            texts[key] = str(value)
