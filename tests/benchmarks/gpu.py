"""Measures training and search on a GPU, beside PyTorch, and prints all tables in a few minutes.

    python tests/benchmarks/gpu.py --torch_python=PATH

PATH is a Python with PyTorch, for TensorFlow and PyTorch seldom share an environment: the PyTorch
programs run in a process of their own. Without PyTorch their columns are left out, with a reason.

All programs are made, compiled and called first, many at the same time. Then they are timed one
after the other, each until the device has done its work, while nothing else uses the device. The
last table is the exception: it runs the command `train` on random pictures, start included, and
compares the rate in its metrics.csv with the rate of the training step alone.
"""

import argparse
import concurrent.futures
import csv
import itertools
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from search import our_search  # noqa: E402

from tf_inpaint.compositing import masks  # noqa: E402
from tf_inpaint.gan.encoder import Encoder, EncoderTraining, real_rows  # noqa: E402
from tf_inpaint.gan.model import GAN  # noqa: E402
from tf_inpaint.gan.networks import Discriminator, Generator, fold_normalization  # noqa: E402
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks  # noqa: E402
from tf_inpaint.inpainting.inpainter import Inpainter  # noqa: E402
from tf_inpaint.settings.search_settings import SearchSettings  # noqa: E402

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DTYPES = "float32", "mixed_float16", "mixed_bfloat16"
LATENT_SIZE = 100
STEPS = 25
"""Number of steps of a search."""
CALLS_OF_A_SEARCH = 3
"""Number of searches, or of completed blocks, between two looks at the clock."""
CASES = [(64, 3, 64, 64), (64, 3, 64, 256), (28, 1, 64, 64)]
"""Image size, channels, width and batch size of the training steps. The first has all rows."""
SEARCH_CASE = (64, 3, 32, 64)
"""Image size, channels and width of the searches; their batch size is the block size."""
COMMANDS = {
    "faces": ((64, 3, 32, 64), "float32"),
    "faces_gpu": ((64, 3, 64, 64), "mixed_float16"),
    "mnist": ((28, 1, 64, 64), "float32"),
}
"""The flagfiles that `train` is run with, and the training step that each of them asks for."""
TORCH_PROGRAM = "import json, sys, torch_dcgan; torch_dcgan.measure(**json.loads(sys.argv[1]))"


def new_train_step(case, dtype, jit_compile):
    """A function that takes a training step.

    Args:
        case: image size, channels, width and batch size.
        dtype: Keras dtype policy.
        jit_compile: compile the step with XLA.
    """
    size, channels, width, batch_size = case
    gan = GAN(
        *(network(size, channels, width, dtype=dtype) for network in (Generator, Discriminator))
    )
    gan.compile()
    step = tf.function(gan.train_step, autograph=False, jit_compile=jit_compile)
    images = tf.random.uniform([batch_size, size, size, channels], -1, 1)
    return lambda: step(images)


def new_encoder_step(case, jit_compile):
    """A function that takes a training step of the encoder, for the generator of a case."""
    size, channels, width, batch_size = case
    training = EncoderTraining(
        Encoder(size, channels), fold_normalization(Generator(size, channels, width)), 1000
    )
    known = tf.constant(masks.mixture(batch_size, size, 0)(0))
    real = tf.random.uniform([real_rows(batch_size), size, size, channels], -1, 1)
    step = tf.function(training.train_step, autograph=False, jit_compile=jit_compile)
    return lambda: step((known, real))


def search_networks(case):
    """The networks of a search, with an encoder."""
    size, channels, width, _ = case
    pair = Generator(size, channels, width), Discriminator(size, channels, width)
    networks = FrozenNetworks(*map(fold_normalization, pair), LATENT_SIZE, Encoder(size, channels))
    networks.curvature  # noqa: B018 - computed once, before the threads ask for it
    return pair, networks


def images_and_masks(case, count):
    """Random images with a hole in the middle."""
    size, channels, _, _ = case
    images = np.random.default_rng(0).uniform(-1, 1, [count, size, size, channels])
    known = np.repeat(masks.make("center", size, size, 0)[None], count, axis=0)
    return images.astype(np.float32), known


def new_search_run(case, pair, count, jit_compile):
    """A function that takes `STEPS` steps of a search for `count` images."""
    z = np.random.default_rng(1).uniform(-1, 1, [count, LATENT_SIZE]).astype(np.float32)
    arrays = images_and_masks(case, count)
    return our_search(*pair, *arrays, z, STEPS, jit_compile=str(jit_compile).lower())


def new_completion_run(case, networks, count, jit_compile):
    """A function that completes `count` images in one block: start, search and blending."""
    settings = SearchSettings(
        block_size=count,
        steps=STEPS,
        start="encoder",
        deeper_steps=0,
        jit_compile=str(jit_compile).lower(),
    )
    inpainter = Inpainter(networks, settings)
    seeds = np.stack([np.zeros(count, np.int64), np.arange(count)], axis=1)
    return lambda: inpainter.complete(*images_and_masks(case, count), seeds)


def new_product(dtype, size):
    """A function that multiplies two large matrices. Their rate is the peak of the chip."""
    matrix = tf.cast(tf.random.normal([size, size]), dtype)
    product = tf.function(lambda: tf.matmul(matrix, matrix), autograph=False)
    return product


def step_operations(case):
    """Number of floating-point operations in the products and convolutions of a training step."""
    size, channels, width, batch_size = case
    gan = GAN(Generator(size, channels, width), Discriminator(size, channels, width))
    gan.compile()
    spec = tf.TensorSpec([batch_size, size, size, channels])
    graph = tf.function(gan.train_step, autograph=False).get_concrete_function(spec).graph
    # What no result and no assignment needs is removed from the graph before it runs.
    waiting = [output.op for output in graph.outputs]
    waiting += [op for op in graph.get_operations() if op.op_def.is_stateful]
    needed = set()
    while waiting:
        op = waiting.pop()
        if op not in needed:
            needed.add(op)
            waiting += [tensor.op for tensor in op.inputs]
    # Each entry of the smaller side is multiplied with the whole kernel.
    total = 0
    for op in needed:
        if op.type == "MatMul":
            rows, inner = op.inputs[0].shape
            inner = rows if op.get_attr("transpose_a") else inner
            total += 2 * inner * op.outputs[0].shape.num_elements()
        elif op.type.startswith("Conv2D"):
            small = op.outputs[0] if op.type == "Conv2D" else op.inputs[2]
            kernel = op.outputs[0] if op.type == "Conv2DBackpropFilter" else op.inputs[1]
            total += 2 * int(np.prod(small.shape[:3])) * kernel.shape.num_elements()
    return total


def attempt(function, *arguments):
    """The result of a function, or the first words of its error: the other rows go on."""
    try:
        return function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}".splitlines()[0][:60]


def warmed_up(new_program, arguments):
    """A program that was made and called twice, or the text of an error."""

    def make():
        program = new_program(*arguments)
        for _ in range(2):
            program()
        return program

    return attempt(make)


def prepared(jobs):
    """The programs of many jobs. XLA compiles them on all cores.

    Args:
        jobs: a dict whose values are a function that makes a program, and its arguments.
    """
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {
            key: pool.submit(warmed_up, new_program, arguments)
            for key, (new_program, *arguments) in jobs.items()
        }
    return {key: future.result() for key, future in futures.items()}


def milliseconds(program, repeats, rounds):
    """The median time of a call over rounds of `repeats` calls, until the device ends them."""
    times = []
    for _ in range(rounds):
        tf.test.experimental.sync_devices()
        start = time.perf_counter()
        for _ in range(repeats):
            program()
        tf.test.experimental.sync_devices()
        times.append((time.perf_counter() - start) / repeats * 1e3)
    return statistics.median(times)


def timed(program, repeats, rounds):
    """The milliseconds of a program. An error stays the text that it is."""
    return program if isinstance(program, str) else attempt(milliseconds, program, repeats, rounds)


def start_pytorch(arguments, cases, search_case):
    """Starts the PyTorch process, which compiles its programs and waits; None without PyTorch."""
    test = [arguments.torch_python, "-c", "import torch, numpy"]
    try:
        subprocess.run(test, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
        print(f"PyTorch is left out: {arguments.torch_python}: {reason}\n", flush=True)
        return None
    variants = [
        ("PyTorch eager, TF32", "", "", len(cases)),
        ("PyTorch eager, AMP float16", "float16", "", len(cases)),
        ("PyTorch CUDA graphs, TF32", "", "reduce-overhead", len(cases)),
        ("PyTorch CUDA graphs, AMP float16", "float16", "reduce-overhead", 1),
    ]
    if arguments.max_autotune:
        variants.append(("PyTorch max-autotune, TF32", "", "max-autotune", 1))
        variants.append(("PyTorch max-autotune, AMP float16", "float16", "max-autotune", 1))
    if arguments.quick:
        variants = [(*variant[:3], 1) for variant in variants]
    options = {
        "cases": cases,
        "search": [*search_case[:3], STEPS, arguments.blocks],
        "variants": variants,
        "repeats": arguments.repeats,
        "rounds": arguments.rounds,
    }
    command = [arguments.torch_python, "-c", TORCH_PROGRAM, json.dumps(options)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=HERE, stdin=pipe, stdout=pipe, text=True)


def pytorch_results(process):
    """Lets the PyTorch process measure; returns its results."""
    empty = {"train": {}, "search": {}}
    if process is None:
        return empty
    for line in process.stdout:
        if line == "ready\n":
            break
    output, _ = process.communicate("go\n")
    if process.returncode:
        print(f"PyTorch is left out: its process ended with {process.returncode}.\n", flush=True)
        return empty
    results = json.loads(output.splitlines()[-1])
    print(f"PyTorch {results['version']} on {results['device']}")
    return results


def cell(value, count):
    """Milliseconds, and how many a second: the text of a cell."""
    if isinstance(value, str):
        return value
    return f"{value:.2f} ({count / value * 1e3:,.0f})"


def print_table(title, columns, rows):
    """Prints a table; `rows` are lists of texts."""
    print(f"\n{title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join([*row, *[''] * (len(columns) - len(row))])} |")
    sys.stdout.flush()


def print_training(cases, times, pytorch, encoder_times):
    """Prints the training steps of all programs, and those of the encoder."""
    names = [f"{size} px x {channels}, width {width}, batch {batch_size}"
             for size, channels, width, batch_size in cases]  # fmt: skip
    rows = []
    for jit_compile, dtype in itertools.product((False, True), DTYPES):
        values = [times.get((case, dtype, jit_compile), "") for case in cases]
        label = f"ours, XLA, {dtype}" if jit_compile else f"ours, {dtype}"
        rows.append([label, *map(cell, values, [case[-1] for case in cases])])
    for name, values in pytorch["train"].items():
        rows.append([name, *map(cell, values, [case[-1] for case in cases])])
    print_table("A training step: milliseconds (images a second)", ["program", *names], rows)
    rows = [
        ["XLA" if jit_compile else "plain", cell(value, 1)]
        for jit_compile, value in encoder_times.items()
    ]
    print_table(
        f"A training step of the encoder, {names[0]}",
        ["", "milliseconds (steps a second)"],
        rows,
    )


def print_peaks(case, times, peaks, size):
    """Prints the share of the peak that the training step of a case reaches."""
    operations, rows = step_operations(case), []
    for dtype, peak in peaks.items():
        policy = "float32" if dtype == "float32" else f"mixed_{dtype}"
        step = times.get((case, policy, True))
        if isinstance(peak, str) or isinstance(step, str):
            continue
        peak_rate, rate = 2 * size**3 / peak / 1e9, operations / step / 1e9
        rows.append([policy, f"{peak_rate:.4g}", f"{rate:.4g}", f"{rate / peak_rate:.1%}"])
    print_table(
        f"The step with XLA beside a product of {size} x {size} matrices, in TFLOP/s. "
        f"A step has {operations / 1e9:.4g} GFLOP.",
        ["precision", "product", "step", "share"],
        rows,
    )


def print_search(blocks, search_times, completion_times, pytorch):
    """Prints the steps of a search, and whole completions."""
    rows = []
    for jit_compile in (False, True):
        values = [search_times[count, jit_compile] for count in blocks]
        rows.append(["ours, XLA" if jit_compile else "ours", *map(search_cell, values)])
    for name, values in pytorch["search"].items():
        rows.append([name, *(v if isinstance(v, str) else f"{v:.2f}" for v in values)])
    columns = ["images in a block", *map(str, blocks)]
    print_table("A step of the search: milliseconds", columns, rows)
    rows = [
        [
            "XLA" if jit_compile else "plain",
            *(cell(completion_times[count, jit_compile], count) for count in blocks),
        ]
        for jit_compile in (False, True)
    ]
    title = (
        f"Completions: {STEPS} steps from the encoder, and blending: milliseconds (images a second)"
    )
    print_table(title, columns, rows)


def search_cell(value):
    """The milliseconds of one of the `STEPS` steps."""
    return value if isinstance(value, str) else f"{value / STEPS:.2f}"


def run_command(flagfile, case, arguments, folder):
    """Runs `train`; returns images a second, by metrics.csv, and the seconds of the command."""
    size, channels, width, batch_size = case
    data, run_dir = Path(folder, f"{size}.npz"), Path(folder, flagfile)
    if not data.exists():
        shape = [arguments.pictures, size // 4, size // 4, channels]
        coarse = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        np.savez(data, images=coarse.repeat(4, axis=1).repeat(4, axis=2))
    steps = arguments.command_steps
    command = [sys.executable, "-m", "tf_inpaint.train", f"--flagfile=configs/{flagfile}.flags"]
    command += [f"--dataset=npz:{data}", f"--run_dir={run_dir}", f"--steps={steps}"]
    command += [f"--width={width}", f"--batch_size={batch_size}", "--encoder_steps=0"]
    command += ["--mean_images=0", f"--log_every={min(50, max(1, steps // 4))}"]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    with open(run_dir / "metrics.csv", newline="") as file:
        rates = [float(row["images_per_second"]) for row in csv.DictReader(file)]
    # The first third has the compilation, and calls of few steps.
    return statistics.median(rates[len(rates) // 3 :]), seconds


def print_commands(commands, step_times, arguments):
    """Runs `train` and prints its rate beside that of the training step alone."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for flagfile, (case, dtype) in commands.items():
            result = attempt(run_command, flagfile, case, arguments, folder)
            step = step_times[case, dtype, arguments.has_gpu]
            if isinstance(result, str) or isinstance(step, str):
                rows.append([flagfile, dtype, str(result), str(step)])
                continue
            (rate, seconds), step_rate = result, case[-1] / step * 1e3
            rates = [f"{number / case[-1]:,.0f} ({number:,.0f})" for number in (rate, step_rate)]
            rows.append([flagfile, dtype, *rates, f"{rate / step_rate:.0%}", f"{seconds:.0f}"])
    print_table(
        f"`train` with {arguments.command_steps} steps: steps (images) a second",
        ["configs/", "precision", "command", "step alone", "share", "seconds of the command"],
        rows,
    )


def read_arguments():
    """The command line; `--quick` replaces the sizes by tiny ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--torch_python", default=sys.executable, help="a Python with PyTorch")
    parser.add_argument(
        "--max_autotune", action="store_true", help="PyTorch's slow compilation too"
    )
    parser.add_argument("--parts", nargs="+", default=["steps", "search", "train"],
                        choices=["steps", "search", "train"])  # fmt: skip
    parser.add_argument("--blocks", type=int, nargs="+", default=[8, 64, 256, 1024])
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--command_steps", type=int, default=3000)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the script")
    arguments = parser.parse_args()
    arguments.pictures, arguments.matrix = 20_000, 8192
    arguments.has_gpu = bool(tf.config.list_physical_devices("GPU"))
    if arguments.quick:
        arguments.blocks, arguments.repeats, arguments.rounds = [1, 2], 1, 1
        arguments.command_steps, arguments.pictures, arguments.matrix = 4, 64, 128
    return arguments


def tiny(case):
    """A case of the same image size with narrow networks."""
    return (*case[:2], 2, 4 if case[3] <= 64 else 8)


def main():
    """Prints all tables."""
    # What to measure.
    arguments = read_arguments()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # It counts each trace as a retracing.
    parts, blocks = arguments.parts, arguments.blocks
    cases, search_case, commands = CASES, SEARCH_CASE, COMMANDS
    if arguments.quick:
        cases, search_case = [tiny(case) for case in cases], tiny(search_case)
        commands = {name: (tiny(case), dtype) for name, (case, dtype) in commands.items()}
    steps = {}
    if "steps" in parts:
        steps |= dict.fromkeys(itertools.product(cases[:1], DTYPES, (False, True)))
        steps |= dict.fromkeys(itertools.product(cases, DTYPES[:1], (False, True)))
        steps |= dict.fromkeys(itertools.product(cases, DTYPES[1:2], (True,)))
    if "train" in parts:
        steps |= dict.fromkeys((*step, arguments.has_gpu) for step in commands.values())
    device = "CPU"
    if arguments.has_gpu:
        gpu = tf.config.list_physical_devices("GPU")[0]
        device = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    print(f"TensorFlow {tf.__version__} on {device}", flush=True)

    # Make and warm up all programs, those of PyTorch in their own process.
    process = (
        start_pytorch(arguments, cases, search_case) if {"steps", "search"} & {*parts} else None
    )
    jobs = {("step", *key): (new_train_step, *key) for key in steps}
    if "steps" in parts:
        jobs |= {("encoder", jit): (new_encoder_step, cases[0], jit) for jit in (False, True)}
        for dtype in ("float32", "float16", "bfloat16"):
            jobs["product", dtype] = new_product, dtype, arguments.matrix
    if "search" in parts:
        pair, networks = search_networks(search_case)
        for count, jit in itertools.product(blocks, (False, True)):
            jobs["search", count, jit] = new_search_run, search_case, pair, count, jit
            jobs["completions", count, jit] = new_completion_run, search_case, networks, count, jit
    programs = prepared(jobs)

    # Time them, one after the other.
    pytorch = pytorch_results(process)
    times = {table: {} for table in ("step", "encoder", "product", "search", "completions")}
    for (table, *key), program in programs.items():
        calls = arguments.repeats if table in ("step", "encoder", "product") else CALLS_OF_A_SEARCH
        key = key[0] if len(key) == 1 else tuple(key)
        times[table][key] = timed(program, calls, arguments.rounds)
    if "steps" in parts:
        print_training(cases, times["step"], pytorch, times["encoder"])
        print_peaks(cases[0], times["step"], times["product"], arguments.matrix)
    if "search" in parts:
        print_search(blocks, times["search"], times["completions"], pytorch)
    if "train" in parts:
        print_commands(commands, times["step"], arguments)


if __name__ == "__main__":
    main()
