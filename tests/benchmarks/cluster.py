"""Completes on Ray: pictures a second, kills of workers and commands, and a million rows.

    python tests/benchmarks/cluster.py rates my/digits --run_dir=digits
    python tests/benchmarks/cluster.py kills my/digits --run_dir=digits --workers=20 --commands=5
    python tests/benchmarks/cluster.py rows --count=1000000

`my/digits` is a folder of images. With `--make=mnist.npz`, the test images of this file are written
there first.
"""

import argparse
import functools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROUNDS = 3
"""Number of times that every setting is measured. The settings take turns."""
SKIPPED = 0.2
"""Share of the pictures that are done before the rate is measured: all workers have started."""
SETTINGS = {
    "one process, 1 thread": ["--threads=1"],
    "one process, 2 threads": ["--threads=2"],
    "Ray, 1 worker of 1 thread": ["--engine=ray", "--threads=1", "--workers=1"],
    "Ray, 1 worker of 2 threads": ["--engine=ray", "--threads=2", "--workers=1"],
    "Ray, 2 workers of 1 thread": ["--engine=ray", "--threads=1", "--workers=2"],
    "Ray, 4 workers of 1 thread": ["--engine=ray", "--threads=1", "--workers=4"],
}
"""Flags by the name of what is measured."""


def command(images, out, run_dir, *flags):
    """Returns the command line of a job."""
    settings = ["--mask=center", "--details=0", f"--run_dir={run_dir}", f"--out_dir={out}"]
    return [sys.executable, "-m", "tf_inpaint.complete", *settings, *flags, str(images)]


def lines(out):
    """Returns the number of pictures that a job has recorded."""
    try:
        return (out / ".journal.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def measured(images, run_dir, flags, cores, folder):
    """Runs a job; returns the seconds to its first pictures, pictures a second, and all seconds.

    Args:
        images: folder of images.
        run_dir: run.
        flags: flags of the job.
        cores: processors on which the job and its workers run; empty: any.
        folder: scratch folder.
    """
    out = Path(tempfile.mkdtemp(dir=folder))
    total = len(list(images.iterdir()))
    pin = ["taskset", "-c", cores] if cores else []
    start = time.perf_counter()
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            pin + command(images, out, run_dir, *flags), stdout=log, stderr=log
        )
        times = []
        while process.poll() is None:
            done = lines(out)
            if done and (not times or done > times[-1][1]):
                times.append((time.perf_counter() - start, done))
            time.sleep(0.02)
    if process.returncode:
        sys.exit((folder / "log").read_text())
    seconds = time.perf_counter() - start
    first = next(entry for entry in times if entry[1] >= SKIPPED * total)
    rate = (times[-1][1] - first[1]) / (times[-1][0] - first[0])
    shutil.rmtree(out)
    return times[0][0], rate, seconds


def rates(arguments, folder):
    """Prints a table of the median rates."""
    results = {name: [] for name in SETTINGS}
    for _ in range(arguments.rounds):
        for name, flags in SETTINGS.items():
            pinned = arguments.cores if "one process" not in name or "2" in name else "0"
            run = measured(arguments.images, arguments.run_dir, flags, pinned, folder)
            results[name].append(run)
            print(name, *(f"{value:.2f}" for value in run), file=sys.stderr, flush=True)
    print("| work | pictures / s | start-up, s | whole job, s |\n|---|---|---|---|")
    for name, runs in results.items():
        startup, rate, seconds = np.median(runs, axis=0)
        print(f"| {name} | {rate:.1f} | {startup:.1f} | {seconds:.1f} |")


def untimed(out):
    """Returns all pictures of a job, and its rows without the durations."""
    rows = [json.loads(line) for line in (out / "completions.jsonl").read_text().splitlines()]
    pictures = {path.name: path.read_bytes() for path in out.glob("*.png")}
    return pictures, [row | {"seconds": 0} for row in rows]


def workers_of(command_id):
    """Returns the ids of the workers of a command."""

    def children(process):
        try:
            return Path(f"/proc/{process}/task/{process}/children").read_text().split()
        except OSError:
            return []

    def is_worker(process):
        try:
            return b"ray::Actor" in Path(f"/proc/{process}/cmdline").read_bytes()
        except OSError:
            return False

    below = [child for process in children(command_id) for child in children(process)]
    return [int(process) for process in below if is_worker(process)]


def killed_job(arguments, folder, number, kill):
    """Runs a job until it ends; `kill(process, out)` is called at random moments.

    Returns:
        the output folder, and how often the command was started.
    """
    out, starts = folder / f"killed{number}", 0
    flags = ["--engine=ray", "--threads=1", "--workers=2"]
    while not (out / "completions.jsonl").exists():
        starts += 1
        process = subprocess.Popen(
            command(arguments.images, out, arguments.run_dir, *flags),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        begun = lines(out)
        while process.poll() is None:
            if lines(out) > begun:
                time.sleep(random.random() * arguments.pause)
                kill(process, out)
            time.sleep(0.05)
    return out, starts


def kills(arguments, folder):
    """Kills workers, then commands, and compares each job with one that nobody killed."""
    expected = folder / "expected"
    flags = command(arguments.images, expected, arguments.run_dir, "--threads=1")
    subprocess.run(flags, check=True, capture_output=True)
    killed = {"workers": 0, "commands": 0}

    def kill_worker(process, out):
        workers = workers_of(process.pid)
        if workers and killed["workers"] < arguments.workers:
            os.kill(random.choice(workers), signal.SIGKILL)
            killed["workers"] += 1

    def kill_command(process, out):
        if killed["commands"] < arguments.commands:
            process.kill()
            process.wait()
            killed["commands"] += 1

    jobs = 0
    for name, kill in (("workers", kill_worker), ("commands", kill_command)):
        while killed[name] < getattr(arguments, name):
            out, starts = killed_job(arguments, folder, jobs, kill)
            equal = untimed(out) == untimed(expected)
            print(f"job {jobs}: {killed}, {starts} starts, equal: {equal}", flush=True)
            if not equal:
                sys.exit(1)
            jobs += 1


class LineWorker:
    """Returns rows as a worker does, without any picture."""

    def __init__(self, row):
        self.row = row

    def __call__(self, task):
        """Returns a row for each image."""
        from tf_inpaint.completion.block_tasks import TaskResult

        return TaskResult([self.row | {"file": item.file} for item in task.items], {})


def new_line_worker(row):
    """Returns a worker; see `LineWorker`."""
    return LineWorker(row)


def memory_mb(process="self", name="VmRSS"):
    """Returns a number of /proc/PID/status in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0]) / 1000


def million(arguments, folder):
    """Prints the seconds and the memory of the command for rows of which nothing is computed."""
    import ray

    from tf_inpaint.cluster.ray_cluster import connected
    from tf_inpaint.cluster.worker_pool import Surroundings, do_tasks
    from tf_inpaint.completion.block_tasks import Task
    from tf_inpaint.completion.job import Job
    from tf_inpaint.config import CompleteConfig
    from tf_inpaint.inputs.named_images import Input, read_file

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    z = [np.random.default_rng(0).random(100, np.float32)]
    numbers = ["seconds", "energy", "contextual", "perceptual", "hole_psnr", "psnr", "hole_ssim"]
    row = {"completion": "0000000.png", "mask": "center", "steps": 25, "reason": "steps"}
    row |= {name: 0.123456789012345 * place for place, name in enumerate(numbers)}
    row |= {"inputs": {"image": {"size": 400, "mtime_ns": 1, "sha256": "0" * 64}}, "z": z}
    print(f"start: {memory_mb():.0f} MB", flush=True)
    paths = [Path(f"/images/of/a/million/faces/{place:07}.png") for place in range(arguments.count)]
    items = [
        Input(
            str(path), path.name, path.stem, functools.partial(read_file, path, None, 1, True), path
        )
        for path in paths
    ]
    print(f"{arguments.count} inputs: {memory_mb():.0f} MB", flush=True)
    job = Job(folder / "out", CompleteConfig(run_dir="run", details=0, block_size=8), "")
    job.begin()
    with connected("") as cluster:
        raylet = subprocess.run(
            ["pgrep", "-P", str(os.getpid()), "-x", "raylet"], capture_output=True, text=True
        ).stdout.split()[0]
        tasks = (Task(items[first : first + 8], False) for first in range(0, len(items), 8))
        surroundings = Surroundings([], 1, 0.0)
        new_work = functools.partial(new_line_worker, row)
        start = None
        for _, result in do_tasks(tasks, new_work, surroundings, cluster, 2):
            start = start or time.perf_counter()
            for entry in result.rows:
                job.append(entry)
        seconds = time.perf_counter() - start
        store = memory_mb(raylet, "RssShmem")
    print(f"rows: {memory_mb():.0f} MB, {seconds:.0f} s, {1e3 * seconds * 8 / len(items):.2f} ms")
    print(f"object store: {store:.1f} MB", flush=True)
    start = time.perf_counter()
    job.finish(items, 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"results written: {time.perf_counter() - start:.0f} s, at most {peak:.0f} MB")


def main():
    """Runs what the first argument names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("rates", "kills", "rows"))
    parser.add_argument("images", type=Path, nargs="?")
    parser.add_argument("--run_dir", default="digits")
    parser.add_argument("--make", help="npz file whose x_test is written to the folder first")
    parser.add_argument("--count", type=int, default=2000, help="number of images or rows")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--cores", default="", help="processors for all but one process, 1 thread")
    parser.add_argument("--workers", type=int, default=20, help="number of workers to kill")
    parser.add_argument("--commands", type=int, default=5, help="number of commands to kill")
    parser.add_argument("--pause", type=float, default=3.0, help="maximum seconds between kills")
    arguments = parser.parse_args()
    if arguments.make:
        from tf_inpaint.files import images

        arguments.images.mkdir(parents=True, exist_ok=True)
        with np.load(arguments.make) as data:
            for place, picture in enumerate(data["x_test"][: arguments.count]):
                images.write(arguments.images / f"{place:05}.png", picture[..., None])
    with tempfile.TemporaryDirectory() as folder:
        {"rates": rates, "kills": kills, "rows": million}[arguments.work](arguments, Path(folder))


if __name__ == "__main__":
    main()
