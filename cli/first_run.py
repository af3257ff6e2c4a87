"""Whether this machine can run Bifrost at all: what a first start needs, each with its remedy. Writes nothing."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from cli.options import CHECKOUT
from state.doctor import Findings

if TYPE_CHECKING:
    from config.schema import Profile

LOCK = CHECKOUT / "requirements" / "run.lock"
COCKPIT_PORT = 8501
_PYTHON = (3, 11)
_ROOM_MIB = 1024
"""A week of journal, history and tape of a lively desk, with the daemon's reserve."""
_NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.s3fs"})
_INOTIFY_NEEDED = {"max_user_instances": 128, "max_user_watches": 8192}
_CONNECT_S = 2.0


def examine_machine(root: Path, wall_us: int, profile: "Profile | None", findings: Findings) -> None:
    """Everything that does not depend on a desk. `root` is where the desks lie; `wall_us` the machine's clock."""
    _python(findings)
    _packages(LOCK, findings)
    _clock(wall_us, findings)
    _root(root, findings)
    _inotify(Path("/proc/sys/fs/inotify"), findings)
    _cockpit_port(COCKPIT_PORT, findings)
    if profile is not None:
        _broker(profile, findings)


def _python(findings: Findings) -> None:
    here = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _PYTHON:
        findings.fault("Python", f"is {here}", "install 3.11 or newer; name it: BIFROST_PYTHON=/path ./bifrost up")
    else:
        findings.ok("Python", here)


def _packages(lock: Path, findings: Findings) -> None:
    """What is installed against what is pinned."""
    again = "remove .venv and run ./bifrost --help: it installs the pinned packages"
    try:
        pinned = _pins(lock.read_text(encoding="utf-8"))
    except OSError as error:
        findings.fault("packages", f"{lock.name} cannot be read: {error.strerror}", "take a whole checkout")
        return
    for name, (versions, always) in sorted(pinned.items()):
        try:
            here = metadata.version(name)
        except metadata.PackageNotFoundError:
            if always:
                findings.fault("packages", f"{name} is not installed, {versions[0]} is pinned", again)
            continue
        if here not in versions:
            findings.fault("packages", f"{name} is {here}, pinned is {' or '.join(versions)}", again)
    findings.ok("packages", f"{len(pinned)} pinned, all as in {lock.name}")


def _pins(lock: str) -> dict[str, tuple[list[str], bool]]:
    """Package -> its pinned versions, and whether every platform needs it (a marker says where else)."""
    found: dict[str, tuple[list[str], bool]] = {}
    for name, version, rest in re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)([^\\\n]*)", lock, re.MULTILINE):
        versions, _ = found.get(name, ([], True))
        found[name] = ([*versions, version], ";" not in rest)
    return found


def _clock(wall_us: int, findings: Findings) -> None:
    """A clock before our own files were written is wrong; nothing here can tell a little too fast or slow."""
    from state.times import iso_from_us

    now = iso_from_us(wall_us)[:19] + "Z"
    if wall_us < LOCK.stat().st_mtime_ns // 1000:
        findings.fault("clock", f"says {now}, before this program was written", "set it, and turn on NTP: timedatectl")
    else:
        findings.ok("clock", f"says {now}; compare it with a watch")


def _root(root: Path, findings: Findings) -> None:
    """The folder of the desks, or where it will be made."""
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        findings.fault(str(there), "may not be written by this user", "choose another with --root, or mend its rights")
        return
    free_mib = shutil.disk_usage(there).free // (1024 * 1024)
    if free_mib < _ROOM_MIB:
        findings.warning(str(there), f"{free_mib} MiB free, {_ROOM_MIB} MiB is comfortable", "free some, or use --root")
    else:
        findings.ok(str(there), f"writable, {free_mib} MiB free")
    kind = file_system(there, _mounts())
    if kind in _NETWORK_TYPES:
        remedy = "choose a local disk with --root: locks and durable appends are not certain over a network"
        findings.fault(str(there), f"lies on a {kind} file system", remedy)


def _mounts() -> Iterator[tuple[Path, str]]:
    """Mount point and type of every file system; nothing where the system does not say (not Linux)."""
    try:
        lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, point, kind, *_ = line.split(" ")
        # The kernel writes a blank in a name as \040.
        yield Path(point.encode().decode("unicode_escape")), kind


def file_system(path: Path, mounts: Iterator[tuple[Path, str]]) -> str:
    """The type of the file system that holds `path`: of its nearest mount point, the newest of that name."""
    nearest, found = -1, "unknown"
    for point, kind in mounts:
        if path.is_relative_to(point) and len(point.parts) >= nearest:
            nearest, found = len(point.parts), kind
    return found


def _inotify(folder: Path, findings: Findings) -> None:
    """Watching `control/` takes one; where it fails, a poll each second obeys all the same."""
    for name, needed in _INOTIFY_NEEDED.items():
        try:
            limit = int((folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError):
            continue
        if limit < needed:
            findings.warning(
                "inotify", f"{name} is {limit}", f"sysctl -w fs.inotify.{name}={needed}: commands act faster"
            )


def _cockpit_port(port: int, findings: Findings) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            findings.warning(f"port {port}", "is taken", "a cockpit runs already, or choose another: --port 8502")
        else:
            findings.ok(f"port {port}", "free for the cockpit")


def _broker(profile: "Profile", findings: Findings) -> None:
    """Where the profile's TWS should listen; only looked at on this very machine."""
    place = f"{profile.ib.host}:{profile.ib.port}"
    if profile.simulator is not None:
        findings.info(place, f"profile {profile.name} brings its own simulator")
        return
    if profile.ib.host not in ("127.0.0.1", "localhost", "::1"):
        findings.info(place, f"TWS of profile {profile.name} is on another machine; not tried")
        return
    try:
        socket.create_connection((profile.ib.host, profile.ib.port), timeout=_CONNECT_S).close()
    except OSError as error:
        remedy = "start TWS or IB Gateway, and allow API clients on that port (Global configuration, API, Settings)"
        findings.fault(place, f"nobody listens for profile {profile.name}: {error.strerror or error}", remedy)
    else:
        findings.ok(place, f"somebody listens, as profile {profile.name} says")
