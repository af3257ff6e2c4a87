"""Tables as values: what the present and the journal show, as columns and rows of text.

`model` says what a table is; `present`, `legs` and `account` make those of the snapshot, `journal` those of operations.
"""

from cockpit.tables.journal import (
    counts,
    is_refusal,
    journal,
    quantity_words,
    rule_words,
    rules_of,
    tone_of,
    what_and_why,
)
from cockpit.tables.legs import strategy_state
from cockpit.tables.model import Column, Columns, Row, Table, Tone, plain, sortable
from cockpit.tables.present import present

__all__ = [
    "Column",
    "Columns",
    "Row",
    "Table",
    "Tone",
    "counts",
    "is_refusal",
    "journal",
    "plain",
    "present",
    "quantity_words",
    "rule_words",
    "rules_of",
    "sortable",
    "strategy_state",
    "tone_of",
    "what_and_why",
]
