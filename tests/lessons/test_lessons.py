"""The lessons recover what is known, show what they say, and are the same every time."""

import inspect
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_inpaint.config import GaussianConfig, RingConfig
from tf_inpaint.config.flags import parse
from tf_inpaint.config.lessons_config import RECIPES as NAMES
from tf_inpaint.gan.losses import PAIRS
from tf_inpaint.gan.model import GAN
from tf_inpaint.lessons import film, gaussian, points, ring
from tf_inpaint.lessons.recipes import RECIPES

FRAMES = 3


def gaussian_lesson(folder, **settings):
    config = GaussianConfig(
        **{"out_dir": str(folder), "steps": 6, "frames": FRAMES, "batch_size": 16, **settings}
    )
    assert gaussian.run(config) == 0
    return json.loads((folder / "gaussian.json").read_text())


def ring_lesson(folder, **settings):
    given = {
        "out_dir": str(folder),
        "steps": 4,
        "frames": FRAMES,
        "batch_size": 8,
        "recipes": ("minimax", "r1"),
    }
    assert ring.run(RingConfig(**{**given, **settings})) == 0
    return json.loads((folder / "ring.json").read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with both lessons, very short ones."""
    folder = tmp_path_factory.mktemp("lessons")
    gaussian_lesson(folder)
    ring_lesson(folder)
    return folder


def frames_of(path):
    with Image.open(path) as picture:
        frames = []
        for index in range(picture.n_frames):
            picture.seek(index)
            frames.append(np.asarray(picture.convert("RGB")).astype(int))
        assert picture.info["loop"] == 0
    return frames


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("gaussian.gif", (600, 800)),
        ("gaussian.webp", (600, 800)),
        ("ring.gif", (350, 720)),
        ("ring.webp", (350, 720)),
    ],
)
def test_film_has_its_frames_and_they_differ(written, name, size):
    frames = frames_of(written / name)
    assert len(frames) == FRAMES
    for frame in frames:
        assert frame.shape == (*size, 3)
        assert frame.std() > 10
    assert np.abs(frames[0] - frames[-1]).max() > 100


@pytest.mark.parametrize(
    ("name", "size"), [("gaussian.png", (600, 800)), ("convergence.png", (380, 1200))]
)
def test_figures(written, name, size):
    picture = np.asarray(Image.open(written / name))
    assert picture.shape == (*size, 3) and picture.std() > 10


def test_last_frame_is_the_picture(written):
    frames = frames_of(written / "gaussian.webp")
    picture = np.asarray(Image.open(written / "gaussian.png")).astype(int)
    assert np.abs(frames[-1] - picture).mean() < 2 < np.abs(frames[0] - picture).mean()


def test_table_has_a_row_a_recipe_and_a_column_a_step(written):
    picture = np.asarray(Image.open(written / "ring.png"))
    assert picture.shape == (460, 745, 3) and picture.std() > 10


def test_gaussian_numbers(written):
    results = json.loads((written / "gaussian.json").read_text())
    assert results["truth"] == {"mean": 4.0, "deviation": 0.5}
    for way in ("maximum_likelihood", "gan"):
        assert set(results[way]) == {"mean", "deviation", "kl"}
        assert all(np.isfinite(list(results[way].values())))
    assert [row["step"] for row in results["training"]] == [0, 2, 6]
    assert {name: results["training"][-1][name] for name in results["gan"]} == results["gan"]
    assert results["settings"]["steps"] == 6 and "out_dir" not in results["settings"]


def test_ring_numbers(written):
    results = json.loads((written / "ring.json").read_text())
    assert list(results["recipes"]) == ["minimax", "r1"]
    for row in results["recipes"].values():
        assert {"modes", "good_share", "shares", "loss", "r1"} <= set(row)
        assert sum(row["shares"]) == pytest.approx(row["good_share"])
        assert [moment["step"] for moment in row["training"]] == [0, 1, 4]
    first = [row["training"][0] for row in results["recipes"].values()]
    assert first[0] == first[1], "all recipes must begin with the same weights"


@pytest.mark.parametrize("lesson", [gaussian_lesson, ring_lesson])
def test_same_seed_gives_the_same_bytes(lesson, written, tmp_path):
    lesson(tmp_path / "again")
    files = list((tmp_path / "again").iterdir())
    assert files
    for path in files:
        assert path.read_bytes() == (written / path.name).read_bytes(), path.name
    lesson(tmp_path / "other", seed=1)
    result = next(path.name for path in files if path.suffix == ".json")
    assert (tmp_path / "other" / result).read_text() != (written / result).read_text()


def test_how_often_it_is_looked_at_changes_no_result(written, tmp_path):
    results = gaussian_lesson(tmp_path, frames=7)
    assert len(results["training"]) == 7
    assert results["gan"] == json.loads((written / "gaussian.json").read_text())["gan"]


def test_maximum_likelihood_is_the_maximum():
    data = np.random.default_rng(0).gamma(2.0, size=500)

    def log_likelihood(mean, deviation):
        return np.log(gaussian.normal(data, mean, deviation)).sum()

    mean, deviation = gaussian.maximum_likelihood(data)
    best = log_likelihood(mean, deviation)
    for changed in [
        (mean + 0.01, deviation),
        (mean - 0.01, deviation),
        (mean, deviation * 1.01),
        (mean, deviation / 1.01),
    ]:
        assert log_likelihood(*changed) < best


def test_divergence_is_the_integral():
    x = np.linspace(-15, 15, 20_001)
    found, truth = gaussian.normal(x, 1.0, 0.7), gaussian.normal(x, 0.4, 1.3)
    integral = np.sum(found * np.log(found / truth)) * (x[1] - x[0])
    assert gaussian.divergence(1.0, 0.7, 0.4, 1.3) == pytest.approx(integral, abs=1e-9)
    assert gaussian.divergence(3.0, 2.0, 3.0, 2.0) == 0


@pytest.mark.parametrize(
    ("mean", "deviation"), [(4.0, 0.5), (4.5, 0.5), (4.0, 1.5), (4.0, 0.01), (-3.0, 0.1)]
)
def test_sampled_divergence_is_near_the_exact_one(mean, deviation):
    drawn = np.random.default_rng(0).normal(mean, deviation, 50_000)
    exact = gaussian.divergence(mean, deviation, 4.0, 0.5)
    assert gaussian.sampled_divergence(drawn, 4.0, 0.5) == pytest.approx(exact, abs=0.02, rel=0.02)


def test_density_of_points_is_a_density():
    axis = np.linspace(-5, 5, 400)
    drawn = np.random.default_rng(0).normal(size=50_000)
    found = gaussian.density(drawn, axis)
    assert found.sum() * (axis[1] - axis[0]) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(found, gaussian.normal(axis, 0, 1), atol=0.03)


def test_ring_is_judged():
    data = ring.ring(0, 8000, 0.05)
    row = ring.judged(data, 0.05)
    assert row["modes"] == 8
    assert row["good_share"] == pytest.approx(
        1 - np.exp(-4.5), abs=0.01
    )  # a Rayleigh variable below 3
    assert ring.judged(np.zeros((10, 2)), 0.05) == {
        "modes": 0,
        "good_share": 0.0,
        "shares": [0.0] * 8,
    }
    rare = np.repeat(
        ring.centres()[:2], [97, 3], axis=0
    )  # 3 % are less than a quarter of an eighth, 4 % are not
    assert ring.judged(rare, 0.05)["modes"] == 1
    assert ring.judged(np.repeat(ring.centres()[:2], [96, 4], axis=0), 0.05)["modes"] == 2


@pytest.mark.parametrize(("steps", "frames"), [(1, 2), (4000, 64), (10, 11), (63, 64), (100, 90)])
def test_every_frame_shows_another_step(steps, frames):
    stops = points.frame_steps(steps, frames)
    assert len(stops) == frames and stops[0] == 0 and stops[-1] == steps
    assert all(np.diff(stops) > 0)


def test_recipes_are_settings_of_the_gan():
    assert tuple(RECIPES) == NAMES
    arguments = inspect.signature(GAN.__init__).parameters
    for recipe in RECIPES.values():
        assert recipe.loss in PAIRS
        assert set(recipe.settings()) <= set(arguments)


def test_a_point_is_judged_alone():
    critic = points.Discriminator(2, width=8, seed=3)
    batch = np.random.default_rng(0).normal(size=(5, 1, 1, 2)).astype(np.float32)
    np.testing.assert_allclose(critic(batch)[1:2], critic(batch[1:2]), rtol=1e-5, atol=1e-7)


def test_every_step_draws_its_own_points_wherever_it_stops():
    def seeds(stops, seed=0):
        drawn = []

        def record(pair):
            drawn.append(tuple(pair))
            return np.zeros((2, 1), np.float32)

        def sample(count, step_seed):
            return tf.ensure_shape(tf.numpy_function(record, [step_seed], tf.float32), [2, 1])

        gan = GAN(points.Generator(1, width=4), points.Discriminator(1, width=4), seed=seed)
        assert list(points.train(gan, sample, 2, stops, (1e-3, 1e-3), (0.5, 0.999))) == list(stops)
        return drawn

    whole = seeds([0, 6])
    assert len(whole) == len(set(whole)) == 6
    assert seeds([1, 3, 6]) == whole
    assert not set(seeds([6], seed=1)) & set(whole)


def test_training_that_diverges_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"finite; the generator is not at step \d+; lower"):
        gaussian_lesson(tmp_path, learning_rate=1e30, steps=20)


@pytest.mark.parametrize(
    ("config_class", "flag", "message"),
    [
        (GaussianConfig, "--deviation=0", "--deviation must be a finite number, above 0"),
        (GaussianConfig, "--mean=nan", "--mean must be a finite number"),
        (GaussianConfig, "--mean=1e9", "at least a millionth of --mean"),
        (GaussianConfig, "--frames=5000", "--frames must be at most one more than --steps"),
        (GaussianConfig, "--loss=wasserstein", "--loss must be"),
        (RingConfig, "--recipes=minimax,unrolled", "received 'unrolled'"),
        (RingConfig, "--recipes=r1,r1", "each once"),
        (RingConfig, "--recipes=", "at least one"),
        (RingConfig, "--deviation=0.3", "below 0.2"),
        (RingConfig, "--frames=1", "--frames must be"),
    ],
)
def test_bad_flag_is_refused(config_class, flag, message):
    with pytest.raises(ValueError, match=message) as error:
        parse(config_class, [flag])
    assert "\n" not in str(error.value)


def test_nothing_is_overwritten_unless_asked(written, tmp_path):
    (tmp_path / "gaussian.png").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="has gaussian.png; choose another, or pass --overwrite"):
        gaussian_lesson(tmp_path)
    assert (tmp_path / "gaussian.png").read_text() == "mine"
    gaussian_lesson(tmp_path, overwrite=True)
    assert (tmp_path / "gaussian.png").read_bytes() == (written / "gaussian.png").read_bytes()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*gaussian.FILES, "notes.txt"]
    )


def test_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="must be a folder that can be written"):
        film.claim(str(tmp_path / "file" / "below"), (), False)


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"matplotlib is required; .* pip install 'tf_inpaint\[eval\]'"
    ):
        film.claim(str(tmp_path / "new"), (), False)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "deviation"), [(4.0, 0.5), (-7.0, 2.0), (10.0, 0.1)])
def test_both_ways_recover_the_gaussian(mean, deviation, tmp_path):
    steps = GaussianConfig.steps
    results = gaussian_lesson(
        tmp_path, mean=mean, deviation=deviation, steps=steps, batch_size=GaussianConfig.batch_size
    )
    start = results["training"][0]
    assert abs(start["mean"] - mean) > 2 * deviation, "there must be something to learn"
    for way in ("maximum_likelihood", "gan"):
        assert results[way]["mean"] == pytest.approx(mean, rel=0.05)
        assert results[way]["mean"] == pytest.approx(mean, abs=0.1 * deviation)
        assert results[way]["deviation"] == pytest.approx(deviation, rel=0.05)
        assert results[way]["kl"] < 0.02 < start["kl"]


@pytest.mark.slow
def test_remedies_cover_the_ring_and_the_plain_recipe_does_not(tmp_path):
    config = RingConfig(recipes=("non_saturating", "r1", "wasserstein_gp"))
    settings = {name: getattr(config, name) for name in ("recipes", "steps", "batch_size")}
    rows = ring_lesson(tmp_path, **settings)["recipes"]
    assert rows["r1"]["modes"] == rows["wasserstein_gp"]["modes"] == 8
    assert rows["non_saturating"]["modes"] <= 2
    assert min(rows["r1"]["good_share"], rows["wasserstein_gp"]["good_share"]) > 0.4
