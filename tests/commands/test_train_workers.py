"""Training on several workers, which are processes on this machine, against a single process."""

import contextlib
import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tf_inpaint.config import TrainConfig, flags
from tf_inpaint.gan import callbacks
from tf_inpaint.runs import from_config, run_directory

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(
    width=2,
    latent_size=5,
    batch_size=8,
    steps=6,
    learning_rate=0.01,
    discriminator_steps=2,
    discriminator_norm="layer",
    loss="wasserstein",
    gradient_penalty=1.0,
    augment=("color", "translation", "cutout"),
    synchronized_batch_norm=True,
    log_every=2,
    measure_every=0,
    encoder_steps=0,
    mean_images=0,
    checkpoint_every=2,
    seed=1,
)
# Trains as the command does. Writes the variables that this worker has at the end.
PROGRAM = """
import os
import sys
import numpy as np
import tensorflow as tf

devices = [tf.config.LogicalDeviceConfiguration()] * int(os.environ["DEVICES"])
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from tf_inpaint import train
from tf_inpaint.config import TrainConfig, flags
from tf_inpaint.runs import from_config

gans = []
original = from_config.new_gan
from_config.new_gan = lambda config: gans.append(original(config)) or gans[-1]
code = train.run(flags.parse(TrainConfig, sys.argv[2:]))
np.savez(sys.argv[1], *[variable.numpy() for variable in gans[0].variables])
sys.exit(code)
"""


def free_ports(count):
    """Numbers of ports that no process uses."""
    servers = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def start(folder, *configs, devices=1):
    """Starts the processes of a training.

    A single process has `devices` devices and no `TF_CONFIG`. Several processes are workers.
    """
    addresses = [f"localhost:{port}" for port in free_ports(len(configs))]
    processes = []
    for index, config in enumerate(configs):
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "DEVICES": str(devices),
        }
        if len(configs) > 1:
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [
            sys.executable,
            "-c",
            PROGRAM,
            folder / f"{index}.npz",
            *flags.to_flags(config).splitlines(),
        ]
        with (folder / f"{index}.log").open("w") as log:
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
    return processes


def finish(processes, folder):
    """Waits for the processes, which must succeed."""
    for index, process in enumerate(processes):
        assert process.wait(timeout=300) == 0, (folder / f"{index}.log").read_text()[-3000:]


def arrays(folder, worker):
    """The variables of a worker at the end."""
    with np.load(folder / f"{worker}.npz") as archive:
        return [archive[name] for name in archive.files]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trainings on one device, on two devices, on two workers, and on two workers with a kill.

    One of the last two workers was killed, and both were started again.

    Returns:
        The folder of the trainings, and the step of the checkpoint at the restart.
    """
    # Make the images and the settings.
    top = tmp_path_factory.mktemp("workers")
    pictures = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(top / "pictures.npz", images=pictures)
    configs = {}
    strategies = {
        "alone": "none",
        "mirrored": "mirrored",
        "two": "multi_worker",
        "killed": "multi_worker",
    }
    for name, strategy in strategies.items():
        (top / name).mkdir()
        configs[name] = dataclasses.replace(
            CONFIG,
            dataset=f"npz:{top}/pictures.npz",
            run_dir=str(top / name / "run"),
            strategy=strategy,
        )

    # Train without a kill.
    finish(start(top / "alone", configs["alone"]), top / "alone")
    finish(start(top / "mirrored", configs["mirrored"], devices=2), top / "mirrored")
    finish(start(top / "two", configs["two"], configs["two"]), top / "two")

    # Kill two workers after two rows of metrics.
    endless = dataclasses.replace(configs["killed"], steps=100_000)
    processes = start(top / "killed", endless, endless)
    metrics = top / "killed/run/metrics.csv"
    while not metrics.exists() or not callbacks.read_metrics(metrics)[1:]:
        assert all(process.poll() is None for process in processes), (
            top / "killed/0.log"
        ).read_text()[-3000:]
        time.sleep(0.01)
    processes[1].kill()
    time.sleep(0.5)
    processes[0].send_signal(signal.SIGKILL)
    for process in processes:
        process.wait()

    # Start them again, for four further steps.
    paths = run_directory.checkpoints(top / "killed/run", {}).checkpoints
    step = max(int(path.split("-")[-1]) for path in paths)
    longer = dataclasses.replace(configs["killed"], steps=step + 4)
    finish(start(top / "killed", longer, longer), top / "killed")
    return top, step


@pytest.mark.slow
def test_workers_end_with_equal_variables_like_a_single_process(trained):
    top, _ = trained
    first, second = arrays(top / "two", 0), arrays(top / "two", 1)
    assert len(first) > 20
    # No network makes too many steps: the count of steps is one of the variables.
    assert {int(array) for array in first if array.dtype == np.int64} == {CONFIG.steps}
    for array, second_array in zip(first, second, strict=True):
        np.testing.assert_array_equal(array, second_array)
    for array, mirrored in zip(first, arrays(top / "mirrored", 0), strict=True):
        np.testing.assert_allclose(array, mirrored, atol=1e-3)
    fresh = [
        variable.numpy()
        for variable in from_config.new_gan(dataclasses.replace(CONFIG, strategy="none")).variables
    ]
    for array, alone, before in zip(first, arrays(top / "alone", 0), fresh, strict=True):
        # Adam makes a full step for the smallest gradient, so a gradient near 0 causes differences.
        np.testing.assert_allclose(array, alone, atol=1e-3 + 0.02 * np.abs(alone - before).max())


@pytest.mark.slow
def test_only_the_chief_writes(trained):
    top, _ = trained
    assert sorted(path.name for path in (top / "two").iterdir()) == [
        "0.log",
        "0.npz",
        "1.log",
        "1.npz",
        "run",
    ]
    rows = {
        name: callbacks.read_metrics(top / name / "run/metrics.csv") for name in ("alone", "two")
    }
    assert [row["step"] for row in rows["two"]] == [2, 4, 6]
    for two, alone in zip(rows["two"], rows["alone"], strict=True):
        for name in (
            "discriminator_loss",
            "generator_loss",
            "real_accuracy",
            "diversity",
            "penalty",
        ):
            assert two[name] == pytest.approx(alone[name], rel=2e-2, abs=1e-3), name


@pytest.mark.slow
def test_restarted_workers_continue_at_the_checkpoint(trained):
    top, step = trained
    pairs = zip(arrays(top / "killed", 0), arrays(top / "killed", 1), strict=True)
    for first, second in pairs:
        np.testing.assert_array_equal(first, second)
    rows = callbacks.read_metrics(top / "killed/run/metrics.csv")
    assert [row["step"] for row in rows] == list(range(2, step + 5, 2))
    assert run_directory.load(top / "killed/run").step == step + 4


@pytest.mark.slow
def test_worker_without_the_checkpoint_stops_all_workers(trained, tmp_path):
    top, _ = trained
    config = run_directory.read_config(top / "two/run")
    configs = [
        dataclasses.replace(config, run_dir=str(run_dir), steps=8)
        for run_dir in (top / "two/run", tmp_path)
    ]
    for process in start(tmp_path, *configs):
        assert process.wait(timeout=300) != 0
    for index in range(2):
        log = (tmp_path / f"{index}.log").read_text()
        assert "ValueError: All workers must continue at the same step; received 6, 0;" in log
    assert run_directory.load(top / "two/run").step == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("listens", "number"),
    [
        (False, signal.SIGINT),
        (False, signal.SIGTERM),
        # TensorFlow waits for an answer, and has a handler for SIGTERM.
        (True, signal.SIGINT),
    ],
)
def test_worker_that_waits_says_so_and_can_be_stopped(tmp_path, listens, number):
    with contextlib.ExitStack() as stack:
        peer = stack.enter_context(socket.create_server(("localhost", 0)))
        addresses = [f"localhost:{port}" for port in (peer.getsockname()[1], *free_ports(1))]
        if not listens:
            peer.close()
        task = {"type": "worker", "index": 1}
        text = json.dumps({"cluster": {"worker": addresses}, "task": task})
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tf_inpaint.train", "--strategy=multi_worker"],
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CONFIG": text},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(process.kill)
        lines = [process.stderr.readline() for _ in range(2)]
        if listens:
            peer.settimeout(60)
            for _ in range(2):  # The second connection is one of TensorFlow.
                stack.enter_context(peer.accept()[0])
        process.send_signal(number)
        assert process.wait(timeout=10) == -number
        assert process.stderr.read() == ""
    assert lines[0] == f"This is worker 1 at {addresses[1]}. It waits for {addresses[0]}.\n"
    assert lines[1].startswith("All 2 workers" if listens else "Not started, or not to be reached")
    assert list(tmp_path.iterdir()) == []
