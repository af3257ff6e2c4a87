"""A stand-in for the daemon, run as `python -S scripted_child.py FOLDER`: does what line n of FOLDER/plan says.

exit N        leave at once with N
kill          die of SIGKILL
serve [N]     leave with 0 once control/stop exists, with N (default 0) on SIGTERM
blind         never look at control/stop; leave with 0 on SIGTERM
deaf          as blind, and ignore SIGTERM
flatten       remove control/flatten, leave with 3
"""

import os
import signal
import sys
import time
from pathlib import Path


def main(folder: Path, arguments: list[str]) -> int:
    starts = folder / "starts"
    number = len(starts.read_text().splitlines()) if starts.exists() else 0
    with starts.open("a") as file:
        file.write(" ".join([str(os.getpid()), *arguments]) + "\n")
    plan = (folder / "plan").read_text().splitlines()
    verb, *rest = plan[min(number, len(plan) - 1)].split()
    if verb == "exit":
        return int(rest[0])
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if verb == "flatten":
        (folder / "control" / "flatten").unlink()
        return 3
    code = int(rest[0]) if rest else 0
    if verb == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(code))
    (folder / "ready").touch()
    while True:
        if verb == "serve" and (folder / "control" / "stop").exists():
            return 0
        time.sleep(0.005)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
