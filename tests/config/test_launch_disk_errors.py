"""A command says in one sentence that the disk is full, whichever library notices it."""

import errno
import os
import re
import resource
import zipfile

import pytest
import tensorflow as tf
from sentences import assert_one_sentence
from tqdm import tqdm

from tf_inpaint.config import StoryConfig, launch

FULL = os.strerror(errno.ENOSPC)


@pytest.fixture(autouse=True)
def same_process(monkeypatch):
    """Leaves the logger and the environment of this process as they are."""
    monkeypatch.setattr(launch, "_log_plainly", lambda: None)
    monkeypatch.setattr(launch, "import_tensorflow", lambda: None)


def refusal(capsys, run, *argv):
    """The line on stderr of a command that a disk stops."""
    with pytest.raises(SystemExit) as exit_:
        launch.launch(StoryConfig, run, "Usage.", argv)
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and error.count("\n") == 1
    return error.strip()


@pytest.fixture
def small_files():
    """Allows files of 1,000 bytes, as a disk with little space does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, FULL), ["my/run must", FULL, "is whole", "free space there"]),
        (OSError(errno.EDQUOT, "Quota", "/x/.part"), ["/x must be within the quota", "free"]),
        (OSError(errno.EIO, "Input error", "/x/a"), ["/x must", "check the disk"]),
        (OSError(errno.ENOSPC, FULL, "my/run/samples/.1.png"), ["error: my/run must"]),
        (OSError(errno.ENOSPC, FULL, "my/running/1.png"), ["my/running must"]),
        (RuntimeError(f"write failed (errno = 28, error message = '{FULL}')"), ["my/run must"]),
        (
            tf.errors.ResourceExhaustedError(
                None, None, f"{{{{function_node f_device_/job:a}}}} /x/1_temp/part; {FULL} [Op:W]"
            ),
            ["error: /x/1_temp must", "the same command again"],
        ),
    ],
)
def test_sentence_names_the_folder(error, words, capsys):
    def run(config):
        raise error

    assert_one_sentence(refusal(capsys, run, "--run_dir=my/run"), words)


def test_error_while_a_file_is_closed_is_no_other_error(capsys):
    def run(config):
        try:
            raise OSError(errno.ENOSPC, FULL, "/x/a.npz")
        finally:
            raise ValueError("Can't close the ZIP file while there is an open writing handle.")

    assert "/x must be on a disk with free space" in refusal(capsys, run)


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("is_named", [False, True])
def test_checkpoint_that_does_not_fit_is_refused(is_named, tmp_path, capsys):
    checkpoint = tf.train.Checkpoint(weights=tf.Variable(tf.random.normal([1000])))

    def run(config):
        checkpoint.write(f"{tmp_path}/ckpt-1")

    argv = [f"--run_dir={tmp_path}"] if is_named else []
    error = refusal(capsys, run, *argv)
    assert_one_sentence(error, [f"{tmp_path}", "'File too large'"])
    assert (f" {tmp_path} must" in error) == is_named


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[9]"),
        zipfile.BadZipFile("File is not a zip file"),
    ],
)
def test_exhausted_memory_and_bugs_keep_their_tracebacks(error):
    def run(config):
        raise error

    with pytest.raises(type(error), match=re.escape(str(error))):
        launch.launch(StoryConfig, run, "Usage.", [])


def test_refusal_in_the_package_keeps_its_words(capsys):
    names = {"__package__": "tf_inpaint.data", "error": ValueError(f"a.png; {FULL}; look.")}
    exec("def run(config):\n    raise error", names)
    assert refusal(capsys, names["run"]).endswith(f": error: a.png; {FULL}; look.")


def test_sentence_stands_on_its_own_line_below_a_progress_bar(capsys):
    bars = []

    def run(config):
        bars.append(tqdm(total=2))
        raise OSError(errno.ENOSPC, FULL)

    with pytest.raises(SystemExit):
        launch.launch(StoryConfig, run, "Usage.", [])
    *lines, sentence = capsys.readouterr().err.splitlines()
    assert "0/2" in lines[-1] and ": error: runs/story must" in sentence
