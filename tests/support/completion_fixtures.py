"""Fixtures for the tests of `complete`, which several folders of tests share."""

import logging

import pytest
from small_completions import new_run_folder, run, shared_inpainters

from tf_inpaint import complete
from tf_inpaint.config import CompleteConfig
from tf_inpaint.config.flags import to_flags
from tf_inpaint.config.launch import launch
from tf_inpaint.inpainting.inpainter import Inpainter


@pytest.fixture(scope="module")
def traced_once():
    """Lets all jobs of a file share their inpainters."""
    with shared_inpainters():
        yield


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """Folder of a run and of 17 images, see `small_completions.new_run_folder`."""
    return new_run_folder(tmp_path_factory.mktemp("complete"))


@pytest.fixture(scope="session")
def finished_job(run_folder):
    """Output folder of a finished job over all 17 images."""
    with shared_inpainters():
        assert run(run_folder, run_folder / "out", run_folder / "in") == 0
    return run_folder / "out"


@pytest.fixture
def search_sizes(monkeypatch):
    """List of the number of rows of each search."""
    sizes, original = [], Inpainter.complete

    def counted(self, pictures, *arguments):
        sizes.append(len(pictures))
        return original(self, pictures, *arguments)

    monkeypatch.setattr(Inpainter, "complete", counted)
    return sizes


@pytest.fixture
def launch_exit(capsys):
    """Function that runs the command as `python -m` does.

    It returns the exit code and the lines on stderr.
    """
    logger = logging.getLogger("tf_inpaint")
    before = logger.handlers, logger.level, logger.propagate

    def launch_to_exit(settings):
        with pytest.raises(SystemExit) as exit_:
            launch(CompleteConfig, complete.run, "Usage.", to_flags(settings).splitlines())
        return exit_.value.code, capsys.readouterr().err.replace("\r", "\n").splitlines()

    yield launch_to_exit
    logger.handlers, logger.level, logger.propagate = before


@pytest.fixture
def logged(caplog, monkeypatch):
    """Records of what the package logs."""
    monkeypatch.setattr(logging.getLogger("tf_inpaint"), "propagate", True)
    caplog.set_level(logging.INFO, "tf_inpaint")
    return caplog
