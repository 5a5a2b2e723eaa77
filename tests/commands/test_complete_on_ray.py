"""complete --engine=ray: the same files as on one machine, whatever ends meanwhile."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from sentences import assert_one_sentence
from small_completions import (
    assert_same_job,
    assert_same_job_at_url,
    contents,
    new_config,
    rows,
    run,
    save,
    shared_inpainters,
    untimed_rows,
)

from tf_inpaint.completion.job import Job
from tf_inpaint.config.flags import to_flags
from tf_inpaint.settings.threads import default_threads

pytestmark = pytest.mark.usefixtures("traced_once")

THREADS = default_threads()
"""Threads of a worker. So the workers round as this process does."""
DEADLINE_SECONDS = 400


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two machines, simulated on this one, with room for one worker each."""
    # On a machine with much other work, the server for a client starts slowly.
    os.environ.setdefault("RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S", "120")
    machine = {"num_cpus": THREADS, "object_store_memory": 100 * 2**20}
    head = {"include_dashboard": False, "ray_client_server_port": free_port(), **machine}
    with pytest.MonkeyPatch.context() as patches:
        # For the file system of `bucket_store`.
        patches.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "support"))
        cluster = Cluster(initialize_head=True, head_node_args=head)
        cluster.add_node(**machine)
        yield cluster
        cluster.shutdown()


def free_port():
    """Returns a port that no process uses."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run_on(address, run_folder, out, *paths, **settings):
    """Runs a job on a cluster, and returns the exit code."""
    ray_settings = {"engine": "ray", "ray_address": address, "threads": THREADS}
    return run(run_folder, out, *paths, **ray_settings, **settings)


def workers_of(raylet):
    """Returns the ids of the processes of workers that a raylet has started."""
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    commands = {child: Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [int(child) for child, command in commands.items() if b"ray::Actor" in command]


def test_two_machines_write_what_one_process_writes(cluster, run_folder, tmp_path, logged):
    """Bad files too. The command joins as a client of the cluster."""
    paths = [run_folder / "in", tmp_path / "bad.png", save(tmp_path / "large.png", 1, 56)]
    (tmp_path / "bad.png").write_text("no picture")
    messages = []
    for name in ("local", "ray"):
        logged.clear()
        if name == "local":
            code = run(run_folder, tmp_path / name, *paths)
        else:
            client = f"ray://127.0.0.1:{cluster.head_node._ray_params.ray_client_server_port}"
            code = run_on(client, run_folder, tmp_path / name, *paths)
        assert code == 1
        messages.append(logged.messages.copy())
    assert_same_job(tmp_path / "local", tmp_path / "ray")
    assert messages[0] == messages[1] and "bad.png" in messages[0][-1]
    settings = json.loads((tmp_path / "ray/config.json").read_text())
    assert (settings["workers"], settings["threads"]) == (2, THREADS)


def test_job_with_urls_goes_on_here(cluster, run_folder, finished_job, tmp_path, monkeypatch):
    """The workers open the URLs themselves. The store has no append and no rename."""
    url, out, append = f"bucket://{run_folder}", f"bucket://{tmp_path}/out", Job.append

    def killed(self, row):
        if len(self.done) == 10:
            raise KeyboardInterrupt
        append(self, row)

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Job, "append", killed)
        run_on(cluster.address, url, out, f"{url}/in")
    assert list((tmp_path / "out/.journal.jsonl").iterdir())
    assert run(url, out, f"{url}/in") == 0
    assert_same_job_at_url(finished_job, tmp_path / "out", run_folder, url)


def test_job_begun_here_survives_the_end_of_a_worker_and_of_a_machine(
    cluster, run_folder, finished_job, tmp_path, monkeypatch
):
    """It ends like a job that was done in one process without an accident."""
    original, out = Job.append, tmp_path / "out"
    machine = cluster.add_node(num_cpus=THREADS, object_store_memory=100 * 2**20)

    def raylet_of(node):
        return node.all_processes["raylet"][0].process.pid

    def append(self, row):
        if len(self.done) == 3 and not victims:
            raise KeyboardInterrupt
        original(self, row)
        if len(self.done) == 7:
            victims.append("machine")
            cluster.remove_node(machine, allow_graceful=False)
        if len(self.done) == 12:
            (worker,) = workers_of(raylet_of(cluster.head_node))
            os.kill(worker, signal.SIGKILL)

    monkeypatch.setattr(Job, "append", append)
    victims = []
    with pytest.raises(KeyboardInterrupt):
        run(run_folder, out, run_folder / "in")
    victims.append("process")
    assert run_on(cluster.address, run_folder, out, run_folder / "in") == 0
    assert victims == ["process", "machine"]
    assert_same_job(finished_job, out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)],
)
def test_job_of_an_ended_command_ends_here(run_folder, tmp_path, sent, code):
    """Its workers end with it, and Ray writes nothing to the terminal."""
    out, settings = tmp_path / "out", {"steps": 200, "details": 2}
    config = new_config(
        run_folder, out, run_folder / "in", engine="ray", threads=THREADS, **settings
    )
    (tmp_path / "flags").write_text(to_flags(config))
    command = [sys.executable, "-m", "tf_inpaint.complete", f"--flagfile={tmp_path}/flags"]
    with (tmp_path / "output").open("w") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            cwd=Path(__file__).parents[2],
            # A shell starts a command in the background with SIGINT ignored, and pytest with it.
            preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        )
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        journal, end = out / ".journal.jsonl", time.monotonic() + DEADLINE_SECONDS
        while not (journal.exists() and journal.read_text().count("\n") >= 4):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        started = [int(child) for child in children.read_text().split()]
        workers = [worker for child in started for worker in workers_of(child)]
        process.send_signal(sent)
        assert process.wait() == code
    assert workers and not (out / "completions.jsonl").exists()
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < end
        time.sleep(0.01)
    text = (tmp_path / "output").read_text()
    assert all("images" in line for line in text.replace("\r", "\n").splitlines() if line.strip())
    # The job goes on without Ray.
    with shared_inpainters():
        assert run(run_folder, out, run_folder / "in", **settings) == 0
        assert run(run_folder, tmp_path / "expected", run_folder / "in", **settings) == 0
    assert contents(out) == contents(tmp_path / "expected")
    assert untimed_rows(out) == untimed_rows(tmp_path / "expected")
    assert list(rows(out)) == list(rows(tmp_path / "expected"))


def test_job_without_a_readable_image_leaves_nothing(cluster, run_folder, tmp_path, launch_exit):
    """It is refused as without Ray, and starts no worker."""
    (tmp_path / "bad.png").write_text("no picture")
    config = new_config(
        run_folder,
        tmp_path / "out",
        tmp_path / "bad.png",
        engine="ray",
        threads=THREADS,
        ray_address=cluster.address,
    )
    code, lines = launch_exit(config)
    assert code == 2 and not (tmp_path / "out").exists()
    assert "At least one image that can be completed is required; none of 1 can" in lines[-1]


def test_unreachable_head_is_one_sentence(run_folder, tmp_path, launch_exit):
    """Nothing is written."""
    config = new_config(
        run_folder,
        tmp_path / "out",
        run_folder / "in",
        engine="ray",
        ray_address=f"127.0.0.1:{free_port()}",
    )
    code, lines = launch_exit(config)
    assert code == 2 and len(lines) == 1 and not (tmp_path / "out").exists()
    assert_one_sentence(lines[0], ["--ray_address must be that of a cluster of Ray"])
