"""Peak memory of this process, where the system tells it (Linux)."""

import re
from pathlib import Path

PROCESS = Path("/proc/self")
"""Folder in which Linux describes this process."""


def reset_peak() -> None:
    """Starts a new measurement of the peak. Does nothing where the system does not measure."""
    try:
        (PROCESS / "clear_refs").write_text("5")
    except OSError:
        pass


def peak() -> float | None:
    """Returns the maximum resident memory since `reset_peak` in MB, or None if it is not known."""
    try:
        status = (PROCESS / "status").read_text()
    except OSError:
        return None
    match = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(match[1]) / 1024 if match else None
