"""Where the recorded day lies when it lies beside the checkout."""

from pathlib import Path

import pytest

LEAN_FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "lean"

needs_recorded_day = pytest.mark.skipif(
    not (LEAN_FOLDER / "equity" / "usa" / "minute" / "twx" / "20140605_quote.zip").exists(),
    reason="the recorded day TWX 2014-06-05 is not there: ../shared/data/lean beside the checkout",
)
