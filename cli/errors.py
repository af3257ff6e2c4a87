"""The one way a command fails: a clear line on stderr with what to do, and an exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the commands about a desk answer with; `status` and the daemon have tables of their own."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    """Wrong words, a bad profile, a desk that does not exist, a port that is taken."""
    IN_USE = 4
    NOT_IN_TIME = 7


class CommandError(Exception):
    """Ends the command. The text is what the operator reads; it names the remedy."""

    def __init__(self, text: str, code: int = ExitCode.FAILED) -> None:
        self.code = int(code)
        super().__init__(text)
