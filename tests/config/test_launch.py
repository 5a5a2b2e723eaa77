"""A command gets its config and its environment, and exits as it should."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import StoryConfig, launch

ROOT = Path(__file__).parents[2]


@pytest.fixture
def clean_process(monkeypatch):
    """Gives `launch` an environment and a logger of its own."""
    for name in (
        "KERAS_BACKEND",
        "KERAS_NNX_ENABLED",
        "TF_CPP_MIN_LOG_LEVEL",
        "TF_ENABLE_ONEDNN_OPTS",
    ):
        monkeypatch.setenv(name, "")  # so that monkeypatch also takes away what `launch` sets
        monkeypatch.delenv(name)
    logger = logging.getLogger("tf_inpaint")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.level, logger.propagate = before


def exit_code(run, *argv):
    with pytest.raises(SystemExit) as exit_:
        launch.launch(StoryConfig, run, "Usage.", argv)
    return exit_.value.code or 0


def run_in_package(statement):
    """A run whose deepest frame is in the package, as a real command's would be."""
    names = {"__package__": "tf_inpaint.data", "__name__": "tf_inpaint.data.sources"}
    exec(f"def run(config):\n    {statement}", names)
    return names["run"]


@pytest.mark.usefixtures("clean_process")
class TestLaunch:
    def test_gives_run_the_config_and_exits_with_its_code(self):
        seen = []
        assert exit_code(seen.append, "--steps=7") == 0
        assert seen == [StoryConfig(steps=7)]
        assert exit_code(lambda config: 1) == 1

    def test_sets_the_environment_but_keeps_the_user_s(self, monkeypatch):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        assert exit_code(lambda config: 0) == 0
        assert os.environ["KERAS_BACKEND"] == "tensorflow"
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] in ("2", "3")
        assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"

    def test_command_without_tensorflow_does_not_need_it(self, monkeypatch, capsys):
        monkeypatch.setenv("KERAS_BACKEND", "jax")
        monkeypatch.setitem(sys.modules, "tensorflow", None)  # as if it were not installed

        def run(config):
            logging.getLogger("tf_inpaint.data").info("read %d", 3)

        with pytest.raises(SystemExit) as exit_:
            launch.launch(StoryConfig, run, "Usage.", [], tensorflow=False)
        assert not exit_.value.code and os.environ["KERAS_BACKEND"] == "jax"
        assert capsys.readouterr().err == "read 3\n"

    @pytest.mark.parametrize("flag", ["--help", "-h", "--helpfull"])
    def test_help_runs_nothing(self, flag, capsys):
        seen = []
        assert exit_code(seen.append, "--nonsense", flag) == 0
        assert not seen and capsys.readouterr().out.startswith("Usage.\n")

    @pytest.mark.parametrize(
        "statement",
        [
            "raise ValueError('a; b;\\n c')",
            "open('absent/file')",
            "raise FileNotFoundError('x must exist')",
        ],
    )
    def test_refusal_is_one_line(self, statement, capsys):
        assert exit_code(run_in_package(statement)) == 2
        error = capsys.readouterr().err
        assert ": error: " in error and error.count("\n") == 1

    def test_value_of_any_length_has_a_short_sentence(self, capsys):
        digits = "9" * 5000
        assert exit_code(None, f"--steps={digits}") == 2
        error = capsys.readouterr().err
        assert "'999" in error and "99...99" in error and "at most 1000000000" in error
        assert len(error) < 600

    def test_path_of_usual_length_is_shown_whole(self, capsys):
        path = "/folder" * 40
        assert exit_code(run_in_package(f"open({path!r})")) == 2
        assert path in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("statement", "words"),
        [
            ("open('absent/file')", ["absent/file must exist", "'No such file", "check the path"]),
            ("import os; os.mkdir('/dev/null/n')", ["/dev/null/n must", "part of it is a file"]),
            ("import os; os.mkdir('/proc/n')", ["/proc/n must", "check the path"]),
            ("import os; os.mkdir('n' * 300)", ["nnn must", "choose a shorter name"]),
            ("open('/')", ["/ must be a file", "'Is a directory'"]),
            ("raise IsADirectoryError(21, 'Is it', '/.x', None, '/y')", ["/y must be a file"]),
            ("raise PermissionError(13, 'Denied', '/x')", ["/x must", "'Denied'", "permissions"]),
            ("raise OSError(30, 'Read-only', '/x/y')", ["/x must", "choose another path"]),
        ],
    )
    def test_error_of_the_system_names_the_path_and_a_remedy(self, statement, words, capsys):
        assert exit_code(run_in_package(statement), "--run_dir=my/run") == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert_one_sentence(error.strip(), words)

    def test_error_without_a_path_keeps_its_text(self, capsys):
        assert exit_code(run_in_package("raise PermissionError(13, 'Port 80')")) == 2
        assert capsys.readouterr().err.endswith(": error: [Errno 13] Port 80\n")

    def test_bug_keeps_its_traceback(self):
        # The deepest frame is json's.
        with pytest.raises(ValueError, match="Expecting value"):
            launch.launch(StoryConfig, run_in_package("import json; json.loads('')"), "Usage.", [])

    def test_interrupt_is_quiet(self, capsys):
        assert exit_code(run_in_package("raise KeyboardInterrupt")) == 130
        assert capsys.readouterr().err == ""

    def test_other_backend_is_refused(self, monkeypatch, capsys):
        monkeypatch.setenv("KERAS_BACKEND", "jax")
        seen = []
        assert exit_code(seen.append) == 2
        assert (
            not seen
            and "KERAS_BACKEND must be tensorflow; received 'jax'; " in capsys.readouterr().err
        )

    def test_log_is_plain_lines_once(self, capsys):
        def run(config):
            logging.getLogger("tf_inpaint.data").info("read %d", 3)

        assert exit_code(run) == exit_code(run) == 0
        assert capsys.readouterr().err == "read 3\nread 3\n"


@pytest.mark.parametrize(
    ("argument", "code"), [("--width=0", 2), ("--unknown=1", 2), ("--help", 0)]
)
def test_command_exits(argument, code):
    command = [sys.executable, "-m", "tf_inpaint.train", argument]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == code
    if code:
        assert done.stderr.startswith("tf_inpaint.train: error: ") and done.stderr.count("\n") == 1
    else:
        assert done.stderr == "" and "--width=32" in done.stdout


def test_greetings_are_dropped_and_what_comes_after_is_not(capfd):
    with launch._muted_stderr():
        os.write(2, b"greeting")
    os.write(2, b"news")
    assert capfd.readouterr().err == "news"


def test_command_says_nothing_but_its_own(tmp_path):
    command = [sys.executable, "-m", "tf_inpaint.complete", f"--run_dir={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert (
        done.stderr.startswith("tf_inpaint.complete: error: --run_dir must be")
        and done.stderr.count("\n") == 1
    )
