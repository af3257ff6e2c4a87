"""The real cockpit in a process of its own, on a free port."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

HOUSE = Path(__file__).parents[2]
_CODE = """
import sys
from pathlib import Path
from cockpit.server import serve
sys.exit(serve(root=Path(sys.argv[1]), desk=sys.argv[2], host="127.0.0.1", port=int(sys.argv[3])))
"""


class CockpitProcess:
    """Serves `root` from entering to leaving the block. `address` is known once it listens."""

    def __init__(self, root: Path, *, desk: str = "demo", port: int = 0) -> None:
        self.root, self.desk, self.port = root, desk, port
        self.address = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and wait for the line that names the address. Raises RuntimeError with what it said instead."""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, str(self.root), self.desk, str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root.parent,
            env={**os.environ, "PYTHONPATH": str(HOUSE)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("cockpit: http"):
            raise RuntimeError(f"the cockpit did not start: {line}{self.process.communicate(timeout=10)[1]}")
        self.address = line.split()[1].split("/?", maxsplit=1)[0]

    def end(self, how: signal.Signals = signal.SIGTERM, *, timeout_s: float = 15) -> tuple[int, float, str]:
        """Send a signal and wait: exit code, seconds, and everything on stderr."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(how)
        said = self.process.communicate(timeout=timeout_s)[1]
        return self.process.returncode, time.monotonic() - began, said

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end()
