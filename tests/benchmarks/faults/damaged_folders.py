"""Damages the files of runs and jobs: no command may end in a traceback, or change more than asked.

A damaged file is refused, or the command does what is missing again. Then its results must be
those of a job whose files were never damaged.
"""

import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import processes
import results
import small_jobs
from tally import Tally

NUMBERS = "absurd numbers"
"""The one damage that a command cannot always know from other content."""
FOLDER = "a folder"
"""The damage of most files that becomes a folder. Nothing makes folders of TensorFlow's files."""
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[: len(content) // 2],
    "cut at its end": lambda content: content[:-3],
    "empty": lambda content: b"",
    "binary": lambda content: bytes(range(256)) * 4,
    "a JSON list": lambda content: b"[1, 2]\n",
    "a JSON object": lambda content: b'{"command": 1, "z": [null]}\n',
    "nested": lambda content: b"[" * 100_000,
    "in another encoding": lambda content: content.decode("latin-1").encode("utf-16"),
    NUMBERS: lambda content: re.sub(rb"\d+", b"9" * 30, content),
}
"""New content of a file, by the name of the damage."""
FILES = {
    "run": (
        "config.json",
        "checkpoints/checkpoint",
        "checkpoints/*.index",
        "checkpoints/*.data-*",
        "best/checkpoint",
        "best/*.index",
        "encoder/*/checkpoint",
        "encoder/*/*.data-*",
        "metrics.csv",
        "samples/*.png",
    ),
    "complete": ("config.json", "completions.jsonl", "latents.npz", "*0.png", "index.html"),
    "interrupted complete": ("config.json", ".journal.jsonl", "*.png"),
    "evaluate": ("config.json", "evaluation.json", "images/*/*/*.png"),
    "interrupted evaluate": ("config.json", ".journal.jsonl", "images/*/*/*.png"),
}
"""Files of each folder, as patterns. The last file that fits is damaged."""


class Damage(NamedTuple):
    """One damaged file, and the command that meets it."""

    folder: str
    """A key of `FILES`."""
    file: str
    damage: str
    command: str
    """A key of `small_jobs.WORDS`."""


def run(work_dir: Path, count: int, seed: int, tally: Tally) -> None:
    """Damages files.

    Args:
        work_dir: folder with `shared/`.
        count: number of tries.
        seed: seed of the choice.
        tally: receives the results.
    """
    folders = {"run": work_dir / "shared" / "run"}
    for command in ("complete", "evaluate"):
        small_jobs.reference(work_dir, command)
        folders[command] = work_dir / f"{command}_reference" / small_jobs.OUTPUT
        folders[f"interrupted {command}"] = interrupted(work_dir, command)
    tries = [
        Damage(folder, file, damage, command)
        for folder, files in FILES.items()
        for file in files
        for damage in (*DAMAGES, "missing", FOLDER)
        for command in (("complete", "train") if folder == "run" else (folder.split()[-1],))
        if not (damage == FOLDER and file.endswith((".index", ".data-*")))
    ]
    random.Random(seed).shuffle(tries)
    for number, damage in enumerate(tries[:count]):
        folder = small_jobs.new_folder(work_dir, f"damaged_{number}")
        faults = damage_faults(damage, folders[damage.folder], work_dir, folder)
        line = f"{processes.text(words_of(damage))}, {damage.file} of the {damage.folder} "
        line += f"is {damage.damage}"
        tally.add(f"damaged files: {damage.folder}", line, faults)
        if not faults:
            shutil.rmtree(folder)


def interrupted(work_dir: Path, command: str) -> Path:
    """The output of a job that was killed after its first rows, so that it has a journal."""
    folder = small_jobs.new_folder(work_dir, f"{command}_interrupted")
    process = processes.Process(small_jobs.WORDS[command], folder)
    journal = folder / small_jobs.OUTPUT / ".journal.jsonl"
    while process.is_running() and not (journal.exists() and journal.stat().st_size > 2000):
        process.process.join(0.001)
    process.kill()
    return folder / small_jobs.OUTPUT


def words_of(damage: Damage) -> tuple[str, ...]:
    """The command line that meets a damage. A run is damaged in the folder of the command."""
    words = small_jobs.WORDS[damage.command]
    if damage.folder != "run":
        return words
    changed = {f"--run_dir={small_jobs.OUTPUT}": "--run_dir=run"}
    return tuple(changed.get(word, word.replace("../shared/run", "run")) for word in words)


def digests(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder, by its path."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): results.digest(path.read_bytes()) for path in paths}


def damage_faults(damage: Damage, source: Path, work_dir: Path, folder: Path) -> list[str]:
    """Copies a folder, damages a file there, and runs the command."""
    copy = folder / ("run" if damage.folder == "run" else small_jobs.OUTPUT)
    shutil.copytree(source, copy, symlinks=True)
    *_, path = sorted(copy.glob(damage.file))
    content = path.read_bytes()
    path.unlink()
    if damage.damage == FOLDER:
        path.mkdir()
    elif damage.damage in DAMAGES:
        path.write_bytes(DAMAGES[damage.damage](content))
    before = digests(folder)
    outcome = processes.run(words_of(damage), folder)
    faults = processes.traceback_faults(outcome)
    if outcome.code == 2:
        if not outcome.last_line.endswith("."):
            faults.append("no sentence")
        changed = dict(before.items() ^ digests(folder).items())
        changed = [name for name in sorted(changed) if not Path(name).name.startswith(".lock")]
        if changed:
            faults.append(f"refused, but changed: {', '.join(changed[:5])}")
    elif outcome.code == 0 and damage.folder != "run" and damage.damage != NUMBERS:
        expected, actual = (
            processes.in_child(results.contents, path, False)
            for path in (work_dir / f"{damage.command}_reference" / small_jobs.OUTPUT, copy)
        )
        faults += results.differences(expected, actual)
    if faults:
        faults.append(f"the last line: {outcome.last_line}")
    return faults
