"""docs/simulator.md names every fault with its keys, and every file of the folder."""

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from daemon.simulator.app import REQUESTS
from daemon.simulator.faults import Act, Fault
from daemon.simulator.persistence import BOOK, FINISHED, PORT
from daemon.simulator.script_file import SCRIPT_STATE

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("kinds", "common"), [(Fault, {"after", "count", "client_id"}), (Act, {"id", "after_s"})], ids=["faults", "acts"]
)
def test_every_kind_and_key_is_described(kinds: object, common: set[str]) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, flags=re.MULTILINE))
    for kind in get_args(kinds):
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        own = {field.name for field in info.fields} - common
        assert info.tag in rows, f"docs/simulator.md lacks {info.tag}"
        assert own <= set(re.findall(r"\w+", rows[str(info.tag)])), f"docs/simulator.md lacks keys of {info.tag}"


def test_every_file_is_described() -> None:
    for name in (BOOK, PORT, FINISHED, REQUESTS, SCRIPT_STATE):
        assert f"| `{name}` |" in PAGE
