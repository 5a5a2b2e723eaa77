"""How much memory this process takes."""

import re
from pathlib import Path

PROCESS = Path("/proc/self")


def reset_peak() -> None:
    """From here on, `peak` is that of what follows. Does nothing where the system cannot do it."""
    try:
        (PROCESS / "clear_refs").write_text("5")
    except OSError:
        pass


def peak() -> float | None:
    """The most memory that was resident since `reset_peak`, in MB; None where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", (PROCESS / "status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None
