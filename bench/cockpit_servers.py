"""The two servers as processes: the cockpit, with a stopwatch around Streamlit's page scripts, and the plain page."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil

CHECKOUT = Path(__file__).resolve().parent.parent
PATIENCE_S = 60.0


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A process that serves one page's address. Ended by its id."""

    name = ""

    def __init__(self, command: list[str], root: Path, desk: str, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._log = root.parent / f"{self.name.replace(' ', '-')}.log"
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "BENCH_ROOT": str(root), "BENCH_DESK": desk}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 our own modules, named here
                [sys.executable, "-P", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=root.parent,
            )

    def __enter__(self) -> Self:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                with urlopen(f"{self.address}/_stcore/health", timeout=2):  # noqa: S310 our own server
                    return self
            except HTTPError:
                return self  # it answers, though it lets nobody in yet
            except (URLError, OSError) as error:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.__exit__()
                    raise RuntimeError(f"{self.name} does not answer: {self._log.read_text()[-2000:]}") from error
            time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def cpu_s(self) -> float:
        """Processor time so far, in seconds."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def rss_mib(self) -> float:
        """Resident memory, in MiB."""
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


class Cockpit(Server):
    """Ours. Every run of a page's script is timed inside the server."""

    name = "bifrost"

    def __init__(self, root: Path, desk: str) -> None:
        port = free_port()
        self._times = root.parent / f"scripts-{port}.jsonl"
        self._times.touch()
        self._read = 0
        super().__init__(
            ["-m", "bench.cockpit_servers", str(root), desk, str(port), str(self._times)], root, desk, port
        )

    def script_times_ms(self) -> list[float]:
        """The durations of the page scripts that ended since the last call, in milliseconds."""
        lines = self._times.read_text().splitlines()
        new, self._read = lines[self._read :], len(lines)
        return [float(json.loads(line)) for line in new]


class Peer(Server):
    """The plain page, by Streamlit's own command."""

    name = "plain page"

    def __init__(self, root: Path, desk: str) -> None:
        port = free_port()
        options = {
            "server.headless": "true",
            "server.address": "127.0.0.1",
            "server.port": str(port),
            "server.fileWatcherType": "none",
            "browser.gatherUsageStats": "false",
        }
        told = [f"--{name}={value}" for name, value in options.items()]
        script = str(CHECKOUT / "bench" / "cockpit_peer.py")
        super().__init__(["-m", "streamlit", "run", script, *told], root, desk, port)


def serve_timed(root: Path, desk: str, port: int, times: Path) -> int:
    """Serve the cockpit and write down how long each run of a page's script took: compiled code to its last element."""
    from streamlit.runtime.scriptrunner import script_runner  # noqa: PLC0415 - only this process patches it

    from cockpit.server import serve  # noqa: PLC0415

    run = script_runner.exec_func_with_error_handling

    def timed(*arguments: object, **named: object) -> object:
        started_ns = time.perf_counter_ns()
        result = run(*arguments, **named)
        with times.open("a") as out:
            out.write(f"{(time.perf_counter_ns() - started_ns) / 1e6:.3f}\n")
        return result

    script_runner.exec_func_with_error_handling = timed
    return serve(root=root, desk=desk, host="127.0.0.1", port=port)


if __name__ == "__main__":
    sys.exit(serve_timed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
