"""Runs wrong command lines: each must be refused in one sentence, and nothing may be written."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import processes
import wrong_flags
from PIL import Image
from tally import Tally

TIMEOUT = 180
"""Maximum number of seconds of a refusal."""
NEW_EVERY = 25
"""Of so many command lines, one runs in a new process instead of a forked one."""


def run(work_dir: Path, count: int, seed: int, tally: Tally) -> None:
    """Runs wrong command lines.

    Args:
        work_dir: folder with `shared/`.
        count: number of command lines.
        seed: seed of the choice.
        tally: receives the results.
    """
    folder = work_dir / "command_lines"
    fill(folder, work_dir / "shared")
    before = listing(folder)
    for number, (kind, words) in enumerate(wrong_flags.chosen(count, seed)):
        runner = processes.run if number % NEW_EVERY else processes.run_new
        outcome = runner(words, folder, TIMEOUT)
        faults = processes.refusal_faults(outcome)
        if faults:
            faults.append(f"the last line: {outcome.last_line}")
        after = listing(folder)
        changed = sorted(dict(before.items() ^ after.items()))
        if changed:
            faults.append(f"written: {', '.join(changed[:5])}")
            shutil.rmtree(folder)
            fill(folder, work_dir / "shared")
            before = listing(folder)
        tally.add(f"command lines: {kind}", processes.text(words), faults)


def listing(folder: Path) -> dict[str, tuple]:
    """Kind, size and time of everything below a folder, by its path. Folders have no time."""
    entries = {}
    for path in folder.rglob("*"):
        status = os.lstat(path)
        entry = (status.st_mode, status.st_size, status.st_mtime_ns)
        entries[str(path.relative_to(folder))] = entry[:1] if path.is_dir() else entry
    return entries


def fill(folder: Path, shared: Path) -> None:
    """Makes the folder that the command lines run in, with good and damaged inputs."""
    folder.mkdir()
    for name in ("photos", "bad", "nothing", "occupied/1"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(shared / "run", folder / "run")
    shutil.copy(shared / "digits.npz", folder)
    (folder / "file.txt").write_text("text\n")
    (folder / "occupied" / "precious.txt").write_text("text\n")
    (folder / "binary").write_bytes(bytes(range(256)))
    # Pictures.
    levels = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    for number in range(2):
        Image.fromarray(levels + number).save(folder / "photos" / f"{number}.png")
    Image.fromarray(np.full((28, 28), 128, np.uint8)).save(folder / "gray.png")
    Image.fromarray(np.full((28, 28), 255, np.uint8)).save(folder / "white.png")
    whole = (folder / "photos" / "0.png").read_bytes()
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    huge = whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]
    contents = {"text": b"no picture", "empty": b"", "cut": whole[: len(whole) // 2], "huge": huge}
    for name, content in contents.items():
        (folder / "bad" / f"{name}.png").write_bytes(content)
    for place in (folder, folder / "bad"):
        suffix = ".png" if place.name == "bad" else ""
        os.mkfifo(place / f"fifo{suffix}")
        (place / f"loop{suffix}").symlink_to(f"loop{suffix}")
    # Data sets.
    (folder / "text.npz").write_text("no archive")
    digits = (folder / "digits.npz").read_bytes()
    (folder / "cut.npz").write_bytes(digits[: len(digits) // 2])
    np.savez(folder / "other.npz", a=np.zeros(3))
    np.savez(folder / "pickle.npz", x_train=np.array([{}, None]), x_test=np.zeros((9, 28, 28)))
    write_huge_npz(folder / "huge.npz")


def write_huge_npz(path: Path) -> None:
    """Writes an npz file of a few bytes whose header claims a terabyte."""
    import zipfile

    header = {"descr": "|u1", "fortran_order": False, "shape": (10**9, 32, 32)}
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x_train", "x_test"):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array_header_1_0(file, header)
