"""A folder of profiles written by the test, and the error text that loading one gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from config.loader import LoadedProfile, ProfileError, load_profile

Write = Callable[[str, str], Path]
Load = Callable[[str], LoadedProfile]
Refusal = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_profile(name: str, text: str) -> Path:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_profile


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda name: load_profile(name, profiles_dir=tmp_path)


@pytest.fixture
def refusal(tmp_path: Path, write: Write) -> Refusal:
    """Write `text` as `p.yaml` and give the lines of its refusal, with the folder cut off."""

    def refused(text: str) -> str:
        write("p", text)
        with pytest.raises(ProfileError) as caught:
            load_profile("p", profiles_dir=tmp_path)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused
