"""What a table of figures must say first: on which machine, and which file system, it was made."""

import os
import platform
import sys
from pathlib import Path


def machine_line(folder: Path) -> str:
    """One line: processors, memory, kernel, Python, and the file system under `folder`."""
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.release()}, "
        f"CPython {python}, files on {_file_system(folder)}"
    )


def _file_system(folder: Path) -> str:
    """The type of the mount that holds `folder`, as /proc tells it; `unknown` where there is none (macOS)."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    best, kind = "", "unknown"
    for line in mounts.read_text().splitlines():
        _, place, found = line.split(" ")[:3]
        if folder.resolve().is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind
