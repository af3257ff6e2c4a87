"""The journal beside real processes that die and a real system that refuses."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.verification import verify
from tests.support.desk_files import NOON_US

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from state.journal import JournalError
from tests.support.desk_files import make_journal, make_line
writer = make_journal(Path(sys.argv[1]), 0)
print("ready", flush=True)
try:
    while True:
        writer.append([make_line(writer.next_seq)])
        print(writer.head[0], flush=True)
except JournalError as error:
    print("refused", error, flush=True)
    try:
        writer.append([make_line(writer.next_seq)])
    except JournalError:
        print("refused again", flush=True)
"""


def start(folder: Path, *, largest_file: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        if largest_file is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.Popen(
        [sys.executable, "-P", "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limit,  # noqa: PLW1509 - the child must be limited and nothing else runs in it yet
    )


def reopened(folder: Path) -> JournalWriter:
    writer = JournalWriter(folder, wall_us=lambda: NOON_US)
    writer.open()
    return writer


@pytest.mark.parametrize("acknowledged", [1, 3, 20])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, acknowledged: int) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        last = 0
        for _ in range(acknowledged):
            last = int(process.stdout.readline())
        process.kill()
        for row in process.stdout:
            last = int(row)
    writer = reopened(tmp_path)
    assert writer.head[0] >= last >= acknowledged
    writer.close()
    assert verify(tmp_path).ok
    assert [line.seq for line in read_journal(tmp_path)] == list(range(1, writer.head[0] + 1))


def test_a_living_writer_keeps_its_lock_and_a_killed_one_does_not(tmp_path: Path) -> None:
    with start(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(Exception, match="another process writes"):
            reopened(tmp_path)
        process.kill()
    reopened(tmp_path).close()


def test_a_system_that_refuses_ends_the_writer_and_the_next_one_repairs(tmp_path: Path) -> None:
    with start(tmp_path, largest_file=1000) as process:
        assert process.stdout is not None
        said = process.stdout.read().splitlines()
    assert said[0] == "ready"
    assert said[-2].startswith("refused")
    assert "File too large" in said[-2]
    assert said[-1] == "refused again"
    acknowledged = int(said[-3])
    (segment,) = tmp_path.glob("*.jsonl")
    assert segment.stat().st_size == 1000
    assert not verify(tmp_path).ok
    writer = reopened(tmp_path)
    assert writer.head[0] == acknowledged
    writer.close()
    assert verify(tmp_path).ok
