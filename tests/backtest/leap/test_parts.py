"""What the kernel does beside the core's own functions: exact sums, codes as numbers, where machine code is kept."""

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.backtest.leap import compiled as compiling
from daemon.backtest.leap.arithmetic import exact_sum
from daemon.backtest.leap.fixed import RULES_AS_KNOWN
from daemon.backtest.leap.rows import packed, unpacked
from daemon.strategies.gamma_scalper.classifier import (
    Codes,
    DeltaCode,
    ExecutionCode,
    LiquidityCode,
    MarketCode,
    OptionCode,
    SystemCode,
)

_FLOATS = st.floats(-1e12, 1e12, allow_nan=False)
_TIES = st.sampled_from([1.0, -1.0, 2.0**53, -(2.0**53), 2.0**-53, 2.0**-54, -(2.0**-54), 1e-300, 0.0, -0.0])


@settings(max_examples=300, deadline=None)
@given(st.lists(_FLOATS | _TIES, max_size=30))
def test_sums_are_those_of_fsum(values: list[float]) -> None:
    found = exact_sum(np.array(values, dtype=float), len(values), np.zeros(64))
    assert math.copysign(1, found) == math.copysign(1, math.fsum(values)) or found == 0
    assert found == math.fsum(values)


def test_every_code_survives_as_a_number() -> None:
    seen = set()
    for option in OptionCode:
        for delta in DeltaCode:
            for movement in MarketCode:
                for liquidity in LiquidityCode:
                    codes = Codes(option, delta, movement, liquidity, ExecutionCode.IDLE, SystemCode.OK)
                    assert unpacked(packed(codes)) == codes
                    seen.add(packed(codes))
    assert len(seen) == len(OptionCode) * len(DeltaCode) * len(MarketCode) * len(LiquidityCode)


def test_this_machine_computes_alike_and_the_guard_asks_in_the_known_order() -> None:
    assert compiling.computes_alike()
    assert RULES_AS_KNOWN


def test_machine_code_is_kept_outside_the_sources() -> None:
    folder = compiling.cache_folder()
    assert folder is None or Path(compiling.__file__).resolve().parents[3] not in folder.parents


def test_without_a_folder_to_write_to_it_compiles_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("no folder")
    monkeypatch.setattr(compiling.platformdirs, "user_cache_dir", lambda *_, **__: str(blocked / "cache"))
    compiling.cache_folder.cache_clear()
    try:
        assert compiling.cache_folder() is None
        assert compiling.compiled(_twice)(2.5) == 5.0
    finally:
        compiling.cache_folder.cache_clear()


def test_code_of_old_sources_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        old = tmp_path / "leap" / f"old {number}"
        old.mkdir(parents=True)
        os.utime(old, (number, number))
    monkeypatch.setattr(compiling.platformdirs, "user_cache_dir", lambda *_, **__: str(tmp_path))
    compiling.cache_folder.cache_clear()
    try:
        found = compiling.cache_folder()
    finally:
        compiling.cache_folder.cache_clear()
    assert found is not None
    left = sorted(each.name for each in (tmp_path / "leap").iterdir())
    assert left == sorted([found.name, *(f"old {number}" for number in range(4, 9))])


def _twice(value: float) -> float:
    return value * 2
