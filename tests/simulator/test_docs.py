"""docs/simulator.md names every fault with its keys, and every file of the folder."""

import re
from pathlib import Path
from typing import get_args

import msgspec

from daemon.simulator.app import REQUESTS
from daemon.simulator.faults import Fault
from daemon.simulator.persistence import BOOK, FINISHED, PORT

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
COMMON = {"after", "count", "client_id"}


def test_every_fault_and_key_is_described() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE, flags=re.MULTILINE))
    for kind in get_args(Fault):
        info = msgspec.inspect.type_info(kind)
        assert isinstance(info, msgspec.inspect.StructType)
        own = {field.name for field in info.fields} - COMMON
        assert info.tag in rows, f"docs/simulator.md lacks the fault {info.tag}"
        assert own <= set(re.findall(r"\w+", rows[info.tag])), f"docs/simulator.md lacks keys of {info.tag}"


def test_every_file_is_described() -> None:
    for name in (BOOK, PORT, FINISHED, REQUESTS):
        assert f"| `{name}` |" in PAGE
