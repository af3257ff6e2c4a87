import json

import pytest

from daemon.runtime.clocks import wall_us
from state.audit import read_audit
from state.control import read_requests, remove_request
from state.records import JournalType, OperatorRequest
from tests.cli.conftest import Cli, Desk


def _answer(desk: Desk, kind: JournalType, status: str, detail: str | None = None) -> list[OperatorRequest]:
    """Answer the first request as a daemon would; gives the list that it will be in."""
    seen: list[OperatorRequest] = []

    def waiting() -> bool:
        return bool(read_requests(desk.paths.requests, wall_us()))

    def answer() -> None:
        [read] = read_requests(desk.paths.requests, wall_us())
        assert read.request is not None
        seen.append(read.request)
        desk.journal(kind, status=status, data={"request_id": read.request.id, "detail": detail})
        remove_request(desk.paths.requests, read.name)

    desk.when(waiting, answer)
    return seen


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("adopt", JournalType.BOOK_ADOPTED),
        ("release", JournalType.BOOK_RELEASED),
        ("acknowledge", JournalType.BOOK_ACKNOWLEDGED),
    ],
)
def test_a_request_is_answered_by_the_journal(cli: Cli, desk: Desk, command: str, kind: JournalType) -> None:
    seen = _answer(desk, kind, "done")
    answer = cli("book", command, "--shares", "-40", "--reason", "bought by hand", "--by", "anna")
    assert answer.code == 0
    assert answer.out == f"demo: {command}: done, journaled as {kind} (seq 1)\n"
    [request] = seen
    assert (request.command, request.shares, request.by, request.reason) == (command, -40.0, "anna", "bought by hand")
    [line] = read_audit(desk.paths.audit)
    assert (line.action, line.by, line.outcome) == (command, "anna", "requested")


def test_reset_needs_a_person_and_a_reason(cli: Cli, desk: Desk) -> None:
    assert cli("reset", "--by", " ", "--reason", "x").code == 2
    seen = _answer(desk, JournalType.RESET, "done")
    answer = cli("reset", "--by", "anna", "--reason", "loss reviewed")
    assert answer.code == 0
    assert (seen[0].command, seen[0].shares, seen[0].by) == ("reset", None, "anna")


def test_a_refusal_is_exit_1_with_the_daemons_numbers(cli: Cli, desk: Desk) -> None:
    _answer(desk, JournalType.CONTROL_REFUSED, "refused", "the account holds 30 foreign shares, not 40")
    answer = cli("book", "acknowledge", "--shares", "40", "--reason", "x")
    assert answer.code == 1
    assert answer.err == "bifrost: demo: acknowledge: refused: the account holds 30 foreign shares, not 40\n"


def test_no_answer_in_time_is_exit_7(cli: Cli, desk: Desk) -> None:
    answer = cli("book", "adopt", "--shares", "1", "--reason", "x", "--wait", "0.1")
    assert answer.code == 7
    assert "no answer within 0.1 s; does the daemon run?" in answer.err


@pytest.mark.parametrize("shares", ["nan", "inf", "-inf"])
def test_a_number_that_is_none_leaves_no_request(cli: Cli, desk: Desk, shares: str) -> None:
    answer = cli("book", "adopt", f"--shares={shares}", "--reason", "x")
    assert answer.code == 2
    assert read_requests(desk.paths.requests, wall_us()) == ()


def test_a_split_is_acknowledged_with_its_ratio(cli: Cli, desk: Desk) -> None:
    seen = _answer(desk, JournalType.BOOK_ACKNOWLEDGED, "done")
    assert cli("book", "acknowledge", "--shares", "80", "--ratio", "2", "--reason", "split 2 for 1").code == 0
    assert (seen[0].shares, seen[0].ratio) == (80.0, 2.0)
    [line] = read_audit(desk.paths.audit)
    assert line.data is not None
    assert line.data["ratio"] == 2.0


@pytest.mark.parametrize("ratio", ["0", "-2", "nan"])
def test_a_ratio_that_multiplies_nothing_leaves_no_request(cli: Cli, desk: Desk, ratio: str) -> None:
    answer = cli("book", "acknowledge", "--shares", "80", f"--ratio={ratio}", "--reason", "x")
    assert answer.code == 2
    assert "--ratio must be a positive number" in answer.err
    assert read_requests(desk.paths.requests, wall_us()) == ()


def test_json_carries_the_receipt(cli: Cli, desk: Desk) -> None:
    _answer(desk, JournalType.CONTROL_REFUSED, "refused", "no")
    answer = cli("book", "adopt", "--shares", "1", "--reason", "x", "--json")
    found = json.loads(answer.out)
    assert (answer.code, found["exit_code"], found["receipt"]["status"]) == (1, 1, "refused")
