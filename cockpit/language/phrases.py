"""Sentences that a desk writes in English into its files, in the reader's language, with their numbers kept.

A desk speaks one language; only the page knows its reader. The area `phrases` of a catalogue therefore maps the English
sentence to its own. `{places}` of the English one take what stands there; the start of a place's name says what may:

| place | takes |
|---|---|
| `{n…}` | a number |
| `{code…}` | a code of lower or upper case letters, digits and underscores |
| `{said…}` | a sentence of its own, said in the reader's language where it is known |
| any other | any text, kept as it is |

A sentence that the catalogue does not know stays English: it is never left out, and never guessed.
"""

import re
from collections.abc import Mapping
from typing import Final

LONGEST: Final = 2000
"""Longer texts are no sentences; they stay as they are."""
_PLACE = re.compile(r"\{(\w+)\}")
_NUMBER = "[-+\N{MINUS SIGN}]?[\\d.,]+(?:e[-+]?\\d+)?"
_JOINTS: Final = (("; ", "\N{FULLWIDTH SEMICOLON}"), (" · ", " · "))
"""How the desk joins sentences, and how the joined translations are."""


class Phrases:
    """The known sentences of one language; an empty catalogue changes nothing."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        self._whole = {english: said for english, said in sentences.items() if "{" not in english}
        shaped = sorted((english for english in sentences if "{" in english), key=_literal_length, reverse=True)
        self._shaped = [
            (_longest_literal(english), re.compile(_shape(english), re.DOTALL), sentences[english])
            for english in shaped
        ]

    def __call__(self, text: str) -> str:
        """The sentence in the reader's language, or as it is."""
        if not (self._whole or self._shaped) or not text or len(text) > LONGEST:
            return text
        found = self._known(text)
        if found is not None:
            return found
        for joint, shown in _JOINTS:
            if joint in text:
                return shown.join(self(part) for part in text.split(joint))
        return text

    def _known(self, text: str) -> str | None:
        whole = self._whole.get(text)
        if whole is not None:
            return whole
        for literal, shape, said in self._shaped:
            # Most texts of a journal are no sentence of ours: this tells them a hundred times faster than a match.
            found = shape.fullmatch(text) if literal in text else None
            if found is not None:
                return said.format_map({name: self._value(name, value) for name, value in found.groupdict().items()})
        return None

    def _value(self, name: str, value: str) -> str:
        return self(value) if name.startswith("said") else value


def _literal_length(english: str) -> int:
    return len(_PLACE.sub("", english))


def _longest_literal(english: str) -> str:
    return max(_PLACE.split(english)[::2], key=len)


def _shape(english: str) -> str:
    """A regular expression with one named group per place."""
    parts = _PLACE.split(english)
    return "".join(re.escape(part) if index % 2 == 0 else _group(part) for index, part in enumerate(parts))


def _group(name: str) -> str:
    if re.fullmatch(r"n\d*|n_\w+", name):
        return f"(?P<{name}>{_NUMBER})"
    if name.startswith("code"):
        return f"(?P<{name}>[A-Za-z0-9_]+)"
    return f"(?P<{name}>.+?)"
