"""An export holds just the lines that the filter lets through, in every format, and none of them does harm."""

import csv
import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.chain import Head, check
from state.journal_reader import decode_line
from state.query import ROUTINE, Filter, JournalIndex, encode, formats
from state.records import JournalLine, JournalType
from state.segments import list_segments, open_segment
from tests.state.query.test_same_answers import filters
from tests.support.journal_segments import compress, plain_scan, write_segments

KNOWN = msgspec.json.Decoder(JournalLine)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> JournalIndex:
    folder = tmp_path_factory.mktemp("export")
    write_segments(folder / "journal", [40, 30, 1, 30, 20])
    compress(list_segments(folder / "journal")[1])
    built = JournalIndex(folder / "journal", folder / "cache")
    assert built.build().complete
    return built


def exported(index: JournalIndex, form: formats.Format, wanted: Filter, **more: Any) -> bytes:
    return b"".join(encode(index.each(wanted, **more), form))


def every_raw_line(index: JournalIndex) -> set[bytes]:
    found: set[bytes] = set()
    for segment in list_segments(index.journal):
        with open_segment(segment) as file:
            found.update(file)
    return found


@settings(max_examples=60, deadline=None)
@given(wanted=filters, routine=st.booleans())
def test_the_lines_are_those_of_the_filter_with_the_journals_own_bytes(
    index: JournalIndex, wanted: Filter, routine: bool
) -> None:
    expected = [line for line in plain_scan(index.journal, wanted) if routine or line.type not in ROUTINE]
    raws = exported(index, "jsonl", wanted, routine=routine).splitlines(keepends=True)
    assert [KNOWN.decode(raw) for raw in raws] == expected
    assert set(raws) <= every_raw_line(index)


def test_all_of_an_undamaged_journal_still_holds_its_chain(tmp_path: Path) -> None:
    write_segments(tmp_path / "journal", [7, 5])
    head = Head()
    for raw in exported(JournalIndex(tmp_path / "journal", tmp_path), "jsonl", Filter()).splitlines(keepends=True):
        _, head = check(head, raw)
    assert head.seq == 12


@settings(max_examples=25, deadline=None)
@given(wanted=filters)
def test_csv_and_parquet_hold_the_same_lines_field_by_field(index: JournalIndex, wanted: Filter) -> None:
    expected = plain_scan(index.journal, wanted)
    rows = list(csv.DictReader(io.StringIO(exported(index, "csv", wanted).decode(), newline="")))
    assert [int(row["seq"]) for row in rows] == [line.seq for line in expected]
    assert [row["type"] for row in rows] == [line.type.value for line in expected]
    table = pq.read_table(io.BytesIO(exported(index, "parquet", wanted))).to_pylist()
    assert [row["seq"] for row in table] == [line.seq for line in expected]
    for line, of_csv, of_parquet in zip(expected, rows, table, strict=True):
        assert of_csv["reason"].removeprefix("'") == (line.reason or "")
        assert of_parquet["reason"] == line.reason
        assert of_parquet["quantity"] == line.quantity
        assert (float(of_csv["quantity"]) if of_csv["quantity"] else None) == line.quantity
        assert (msgspec.json.decode(of_parquet["data"]) if of_parquet["data"] else None) == line.data
        assert len(of_parquet["hash"]) == 64
        assert of_csv["hash"] == of_parquet["hash"]


@pytest.mark.parametrize("text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_text_is_a_formula(text: str) -> None:
    line = JournalLine(
        seq=1, ts="t", wall_ts="t", type=JournalType.REJECTED, desk="d", run_id="r", reason=text, price=-2.5
    )
    raw = msgspec.json.encode(line) + b"\n"
    (row,) = csv.DictReader(io.StringIO(b"".join(encode([(raw, line)], "csv")).decode(), newline=""))
    assert row["reason"] == f"'{text}"
    assert row["price"] == "-2.5"


def test_quotes_commas_and_line_breaks_survive_csv() -> None:
    line = JournalLine(
        seq=1, ts="t", wall_ts="t", type=JournalType.FILL, desk="d", run_id="r", reason='a "b", c\nd', data={"x": [1]}
    )
    raw = msgspec.json.encode(line) + b"\n"
    content = b"".join(encode([(raw, line)], "csv"))
    (row,) = csv.DictReader(io.StringIO(content.decode(), newline=""))
    assert (row["reason"], row["data"]) == ('a "b", c\nd', '{"x":[1]}')
    assert content.endswith(b"\r\n")


def test_an_export_comes_in_pieces(index: JournalIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "_BATCH_LINES", 10)
    monkeypatch.setattr(formats, "_GROUP_LINES", 10)
    for form in formats.MEDIA_TYPES:
        taken: list[int] = []

        def counted(taken: list[int] = taken) -> Any:
            for raw, line in index.each(Filter()):
                taken.append(line.seq)
                yield raw, line

        next(iter(encode(counted(), form)))
        assert 0 < len(taken) <= 11


def test_the_life_of_an_intent_is_exported_with_its_orders_lines(index: JournalIndex) -> None:
    life = index.life_of_intent("run-1.7").lines
    raws = exported(index, "jsonl", Filter(), intent="run-1.7").splitlines()
    assert tuple(line for line in map(decode_line, raws) if line is not None) == life
    sells = Filter(side="SELL")
    kept = exported(index, "jsonl", sells, intent="run-1.7").splitlines()
    assert len(kept) == sum(line.side == "SELL" for line in life)
