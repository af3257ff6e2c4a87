"""What the pages say exists, exists: commands and their options, files, links, keys of a profile."""

import importlib.util
import itertools
import re
import types
from pathlib import Path

import pytest
import typer

from cli.app import app
from cli.options import CHECKOUT
from config.schema import Profile
from config.validation import schema_paths

DOCS = CHECKOUT / "docs"
PAGES = sorted([CHECKOUT / "README.md", CHECKOUT / "CHANGELOG.md", CHECKOUT / "examples/README.md", *DOCS.glob("*.md")])
GLOBAL = {"--desk", "--root", "--json", "--help"}
IN_CODE = re.compile(r"`([^`\n]+)`")
FENCED = re.compile(r"```\w*\n(.*?)```", re.DOTALL)


def commands() -> dict[str, set[str]]:
    """`book adopt` -> its options; a group has none of its own."""
    found: dict[str, set[str]] = {}
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {})
        for path, each in {name: command, **{f"{name} {sub}": each for sub, each in inner.items()}}.items():
            found[path] = {option for parameter in each.params for option in parameter.opts}
    return found


def shell_lines(page: Path) -> list[str]:
    """What follows `./bifrost` on a page, with alternatives (`list|show`) written out."""
    text = page.read_text(encoding="utf-8")
    fenced = [line.partition(" #")[0] for block in FENCED.findall(text) for line in block.splitlines()]
    spoken = [*fenced, *IN_CODE.findall(FENCED.sub("", text))]
    lines = [part for code in spoken for part in re.findall(r"(?:^|\s)\./bifrost\s+([^;&]+)", code)]
    return [
        " ".join(words) for line in lines for words in itertools.product(*(word.split("|") for word in line.split()))
    ]


def command_of(line: str) -> str:
    """`book adopt --shares 4` -> `book adopt`; the options of every command may stand before its name."""
    words = [word for word in line.split() if re.fullmatch(r"[a-z]+(-[a-z]+)*", word)]
    two = " ".join(words[:2])
    return two if two in commands() else words[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_command_line_on_a_page_is_one(page: Path) -> None:
    known = commands()
    for line in shell_lines(page):
        if not re.match(r"[a-z]", line):
            continue  # `./bifrost COMMAND`
        command = command_of(line)
        assert command in known, f"{page.name}: ./bifrost {line}"
        for option in re.findall(r"(?<!\S)--[a-z-]+", line):
            assert option in known[command] | GLOBAL, f"{page.name}: ./bifrost {line}: {command} has no {option}"


def test_every_command_is_named_on_some_page() -> None:
    named = {command_of(line) for page in PAGES for line in shell_lines(page) if re.match(r"[a-z]", line)}
    groups = {"book", "profile", "sweep"}
    assert set(commands()) - groups <= named


def places() -> list[str]:
    """Every file and folder of the checkout's packages and pages, folders with a slash at their end."""
    folders = ("bench", "cli", "cockpit", "config", "daemon", "docs", "examples", "state", "tests")
    roots = (*folders, "bifrost", "pyproject.toml")
    paths = [path for name in roots for path in (CHECKOUT / name, *(CHECKOUT / name).rglob("*"))]
    return [
        "/" + path.relative_to(CHECKOUT).as_posix() + ("/" if path.is_dir() else "")
        for path in paths
        if "__pycache__" not in path.parts
    ]


def is_there(name: str, known: list[str], under: str = "") -> bool:
    """Whether a name, perhaps without its first folders, is that of a file or folder below `under`."""
    endings = (f"/{name}", f"/{name.rstrip('/')}/")
    return any(place.endswith(endings) and place.startswith(f"/{under}") for place in known)


@pytest.mark.parametrize("name", ["architecture.md", "extending.md"])
def test_every_file_that_the_map_names_exists(name: str) -> None:
    known = places()
    words = IN_CODE.findall(FENCED.sub("", (DOCS / name).read_text(encoding="utf-8")))
    files = {word for word in words if re.fullmatch(r"[\w./-]+(\.(py|md|yaml|toml)|/)", word)}
    ours = {word for word in files if not word.startswith("var/") and word not in ("control/", "audit/")}
    assert len(ours) > 10
    assert {word for word in ours if not is_there(word, known)} == set()


def test_every_file_of_the_code_map_lies_in_its_folder() -> None:
    known = places()
    rows = re.findall(r"^\| `([\w/]+/)` \|(.*)$", (DOCS / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) >= 10
    for folder, about in rows:
        for word in re.findall(r"`(\w+\.py|\w+/)`", about):
            assert is_there(word, known, folder), f"{folder} has no {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readme_leads_to_every_page() -> None:
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if f"(docs/{page.name})" not in text] == []


def drawing() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("draw_profile", DOCS / "draw_profile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_profile_keys_is_the_schema() -> None:
    assert (DOCS / "profile.md").read_text(encoding="utf-8") == drawing().page(), "run docs/draw_profile.py"


def test_every_key_of_a_profile_is_on_its_page() -> None:
    page = (DOCS / "profile.md").read_text(encoding="utf-8")
    sections: dict[str, str] = dict(
        re.findall(r"^## `?([\w. \[\]]+?)`?\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    )
    bare = {name.replace("[]", ""): text for name, text in sections.items()}
    groups = {
        path for path in schema_paths(Profile) if any(each.startswith(f"{path}.") for each in schema_paths(Profile))
    }
    for path in set(schema_paths(Profile)) - groups:
        section, _, key = path.rpartition(".")
        assert f"| `{key}` |" in bare[section or "The top"], path
