"""Runs commands on disks that are too small, gives them room, and runs the same commands again."""

import os
import subprocess
from pathlib import Path

import processes
import results
import small_jobs
from tally import Tally

PAGE = 4096
"""Number of bytes in which a tmpfs gives space."""


def run(work_dir: Path, count: int, seed: int, tally: Tally) -> None:
    """Runs each command on disks of several sizes, from nearly none to nearly enough.

    Args:
        work_dir: folder with `shared/`.
        count: number of sizes.
        seed: not used.
        tally: receives the results.
    """
    if reason := why_not_mounted(work_dir):
        tally.skip("full disks", reason)
        return
    for command in small_jobs.WORDS:
        job = small_jobs.reference(work_dir, command)
        for number in range(count):
            size = max(2 * PAGE, round(job.size * (number + 0.5) / count))
            folder = small_jobs.new_folder(work_dir, f"{command}_disk_{number}")
            mount(folder, f"size={size}")
            try:
                faults = faults_on_disk(job, folder)
            finally:
                subprocess.run(["umount", folder], check=True)
            folder.rmdir()
            line = f"{processes.text(job.words)}, on a tmpfs of {size} bytes"
            tally.add(f"full disks, {command}", line, faults)


def why_not_mounted(work_dir: Path) -> str:
    """Why this process cannot mount a disk of a given size. Empty: it can."""
    if os.geteuid() != 0:
        return "only root can mount a disk of a given size"
    folder = small_jobs.new_folder(work_dir, "disk")
    try:
        mount(folder, f"size={PAGE}")
        subprocess.run(["umount", folder], check=True)
    except (OSError, subprocess.CalledProcessError):
        return "this system does not let root mount a tmpfs"
    return ""


def mount(folder: Path, options: str) -> None:
    """Mounts a disk in memory, or changes its options."""
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True, capture_output=True
    )


def faults_on_disk(job: small_jobs.Reference, folder: Path) -> list[str]:
    """Runs a job in a folder that is a disk, gives it room, and runs the job again."""
    outcome = processes.run(job.words, folder)
    faults = processes.traceback_faults(outcome)
    if outcome.code == 2 and not outcome.last_line.endswith("."):
        faults.append("no sentence")
    elif outcome.code == 1:
        faults.append("exit code 1")
    if faults:
        faults.append(f"the last line: {outcome.last_line}")
    faults += results.broken_files(folder)
    mount(folder, "remount,size=1g")
    return faults + small_jobs.continued_faults(job, folder)
