"""Kills commands with -9 at random times, continues them, and compares with uninterrupted ones.

Half of the kills come at a random time. The others come when the next file appears after a random
time, for a kill while a file is written is the harder one.
"""

import os
import random
import shutil
import time
from pathlib import Path

import processes
import small_jobs
from tally import Tally

SHARES = {"train": 0.3, "complete": 0.3, "evaluate": 0.3, "export": 0.1}
"""Share of the kills of each command. A try with an export takes ten times as long."""
AGAIN = 0.25
"""Probability that a job is killed once more before it may end."""


def run(work_dir: Path, count: int, seed: int, tally: Tally) -> None:
    """Kills all commands.

    Args:
        work_dir: folder with `shared/`.
        count: number of kills.
        seed: seed of the times.
        tally: receives the results.
    """
    generator = random.Random(seed)
    for command, share in SHARES.items():
        job = small_jobs.reference(work_dir, command)
        left = max(1, round(share * count))
        number = 0
        while left > 0:
            folder = small_jobs.new_folder(work_dir, f"{command}_killed_{number}")
            times = kill_times(job, folder, generator, left)
            left -= len(times)
            number += 1
            faults = small_jobs.continued_faults(job, folder) if times else []
            line = f"{processes.text(job.words)}, killed after {', '.join(times)}"
            tally.add(f"kills of {command}", line, faults, len(times))
            if not faults:
                shutil.rmtree(folder)


def kill_times(
    job: small_jobs.Reference, folder: Path, generator: random.Random, most: int
) -> list[str]:
    """Starts a job and kills it, and perhaps once more. Returns the times in words."""
    times: list[str] = []
    while not times or (len(times) < most and generator.random() < AGAIN):
        process = processes.Process(job.words, folder)
        moment = generator.uniform(0.02, 1) * job.seconds
        waits_for_file = generator.random() < 0.5
        process.process.join(moment)
        if waits_for_file:
            await_new_file(folder, process)
            time.sleep(generator.choice((0, 0, 0.001, 0.01)))
        ended = not process.is_running()
        outcome = process.kill()
        if ended:
            break
        times.append(f"{outcome.seconds:.3f} s" + " at a new file" * waits_for_file)
    return times


def await_new_file(folder: Path, process: processes.Process) -> None:
    """Waits until the names of the files below a folder change, or the process ends."""
    before = names(folder)
    while process.is_running() and names(folder) == before:
        pass


def names(folder: str | os.PathLike) -> list[str]:
    """The paths of all files below a folder."""
    paths = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                paths.append(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    paths += names(entry.path)
    except OSError:  # The folder was removed meanwhile.
        pass
    return paths
