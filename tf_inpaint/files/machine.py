"""What the machine has that this process runs on."""

import contextlib
import os
from pathlib import Path

CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""File in which Linux tells a container its memory. It may not exist, or contain "max"."""


def machine_memory() -> int:
    """Returns the memory of the machine or container, in bytes."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(CONTAINER_LIMIT.read_text()))
    return memory
