"""The command `paint` as a process."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from page_inputs import free_port
from tiny import new_run, picture


@pytest.mark.slow
def test_command_serves_until_sigterm_and_leaves_no_file(tmp_path):
    test = np.stack([picture(seed) for seed in range(3)])
    np.savez(tmp_path / "data.npz", x_train=test, x_test=test)
    run_dir = new_run(tmp_path / "run", dataset=f"npz:{tmp_path}/data.npz")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "tf_inpaint.paint",
        f"--run_dir={run_dir}",
        f"--port={port}",
        "--samples=0",
    ]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        line = process.stdout.readline()
        assert line == f"Open http://127.0.0.1:{port}/ in a browser; Ctrl-C ends the program.\n"
        settings = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/config").read())
        assert settings["title"] == "Paint a hole"
        assert any(path.is_file() for path in temporary.rglob("*"))
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert list(temporary.iterdir()) == []
