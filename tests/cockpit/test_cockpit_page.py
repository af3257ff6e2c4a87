"""docs/cockpit.md names files, pages and routes that are there."""

import re
from pathlib import Path

from cockpit.pages.navigation import PAGES
from cockpit.reader import Reader

HOUSE = Path(__file__).parents[2]
TEXT = (HOUSE / "docs" / "cockpit.md").read_text(encoding="utf-8")
FOLDERS = ("cli", "cockpit", "config", "docs", "state", "tests")


def test_every_file_that_it_names_exists() -> None:
    there = {path.name for folder in FOLDERS for path in (HOUSE / folder).rglob("*.*")}
    named = set(re.findall(r"`(?:[\w.<>-]+/)*([\w.]+\.(?:py|js|css|toml|md))`", TEXT))
    assert len(named) > 30
    assert named - there == set()


def test_every_page_of_the_navigation_has_its_line() -> None:
    pages = {Reader().say(f"frame.pages.{path}") for path, _ in PAGES}
    lines = set(re.findall(r"^\| (\w+) \|", TEXT, re.MULTILINE))
    assert pages - lines == set()


def test_nothing_waits_to_be_written() -> None:
    assert "<!--" not in TEXT
