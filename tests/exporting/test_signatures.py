"""The signatures of an exported model, run as a SavedModel."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tiny
from rounding import kernel_tolerance
from saved_graph import nodes_and_functions

from tf_inpaint.config import ExportConfig
from tf_inpaint.exporting.signatures import ServedModel
from tf_inpaint.runs import run_directory

PRESETS = ("complete", "complete_fast", "complete_best")


@pytest.mark.parametrize("preset", ["complete", "complete_fast"])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_served_equals_library(exported, signatures, preset, count):
    inputs = tiny.rows(count)
    wanted = tiny.completed(exported[0], preset, inputs)
    found = signatures(preset, **inputs)
    np.testing.assert_allclose(found["images"], wanted.images, atol=1e-4)
    np.testing.assert_allclose(found["energies"], wanted.energy, rtol=1e-4)
    assert np.array_equal(found["steps"], wanted.steps)
    assert not any(found["errors"])
    assert np.array_equal(
        found["images"][inputs["masks"][..., 0] > 0], inputs["images"][inputs["masks"][..., 0] > 0]
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_merged_rows_answer_as_alone(signatures, preset):
    inputs = tiny.rows(11)
    together = signatures(preset, **inputs)
    for which in (slice(0, 1), slice(4, 9), slice(10, 11)):
        alone = signatures(preset, **tiny.select(inputs, which))
        for name, values in alone.items():
            assert np.array_equal(values, together[name][which]), name


def test_uncertainty_is_zero_where_known_and_minus_one_without_samples(signatures):
    inputs = tiny.rows(2)
    found = signatures("complete", **inputs)["uncertainties"]
    assert np.all(found[inputs["masks"] > 0] == 0)
    assert found[inputs["masks"] == 0].max() > 0
    assert np.all(signatures("complete_fast", **inputs)["uncertainties"] == -1)


def test_seed_fixes_an_answer(signatures):
    inputs = tiny.rows(1)
    first = signatures("complete", **inputs)["images"]
    assert np.array_equal(first, signatures("complete", **inputs)["images"])
    assert not np.array_equal(
        first, signatures("complete", **inputs | {"seeds": np.int32([77])})["images"]
    )


def test_what_is_hidden_is_not_read(signatures):
    inputs = tiny.rows(3)
    hidden = np.where(inputs["masks"] > 0, inputs["images"], np.float32(np.nan))
    for preset in PRESETS:
        found, wanted = (
            signatures(preset, **inputs | {"images": hidden}),
            signatures(preset, **inputs),
        )
        for name, values in wanted.items():
            assert np.array_equal(found[name], values), name


def test_bad_rows_say_so_and_leave_the_others_alone(signatures):
    inputs = tiny.rows(6)
    wanted = signatures("complete_fast", **inputs)
    inputs["images"][1] = np.nan
    inputs["images"][2] *= 255
    inputs["masks"][4] = 0.5
    inputs["masks"][5] = np.nan
    found = signatures("complete_fast", **inputs)
    sentences = [text.decode() for text in found["errors"]]
    assert [bool(text) for text in sentences] == [False, True, True, False, True, True]
    assert (
        "finite" in sentences[1] and "[-1, 1]" in sentences[2] and "masks must be 0" in sentences[4]
    )
    for row in (1, 2, 4, 5):
        assert np.array_equal(found["images"][row], inputs["images"][row], equal_nan=True)
    for row in (0, 3):
        assert all(np.array_equal(found[name][row], values[row]) for name, values in wanted.items())


def test_all_known_is_the_image_and_all_hole_a_sample(signatures):
    inputs = tiny.rows(2)
    inputs["masks"] = np.stack(
        [np.ones_like(inputs["masks"][0]), np.zeros_like(inputs["masks"][0])]
    )
    found = signatures("complete", **inputs)
    assert np.array_equal(found["images"][0], inputs["images"][0])
    assert found["images"][1].std() > 0.01 and not np.any(found["images"][1] == inputs["images"][1])
    assert not any(found["errors"])


def test_generate_and_discriminate_are_the_networks(exported, signatures):
    run = run_directory.load(exported[0].run_dir)
    z = np.random.default_rng(0).uniform(-1, 1, [5, 4]).astype(np.float32)
    pictures = signatures("generate", z=z)["images"]
    np.testing.assert_allclose(pictures, run.generator(z), atol=kernel_tolerance(1e-5))
    found = signatures("discriminate", images=pictures)
    np.testing.assert_allclose(found["logits"], run.discriminator(pictures), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        found["probabilities"], 1 / (1 + np.exp(-found["logits"])), atol=1e-6
    )


def test_graph_has_no_xla_and_no_python(exported):
    """TensorFlow Serving for a GPU lacks the compiler XLA."""
    nodes, functions = nodes_and_functions(exported[1] / "1")
    assert len(nodes) > 1000
    assert not [node.op for node in nodes if "Xla" in node.op or "PyFunc" in node.op]
    for part in (*functions, *nodes):
        assert not part.attr["_XlaMustCompile"].b
        assert not part.attr["jit_compile"].b


@pytest.mark.parametrize(
    ("settings", "fewest_steps"),
    [({"tolerance": 0.0, "patience": 1.0}, 27), ({"tolerance": 0.99, "patience": 0.01}, 25)],
)
def test_steps_are_at_most_those_asked_for(exported, settings, fewest_steps):
    """A search that never stops early takes all steps; an easily satisfied one stops early."""
    config = ExportConfig(signatures=("complete",), steps=27, samples=0, start_draws=2, **settings)
    model = ServedModel(run_directory.load(exported[0].run_dir), config)
    inputs = {key: tf.constant(values) for key, values in tiny.rows(3).items()}
    steps = model.functions["complete"](**inputs)["steps"].numpy()
    assert steps.max() <= 27 and steps.min() >= fewest_steps
    assert (steps == 27).all() == (fewest_steps == 27)


def test_steps_of_samples_are_those_of_their_chains(exported, signatures):
    record = json.loads((exported[1] / "1/assets.extra/export.json").read_text())
    sampling = record["presets"]["complete_best"]["sampling"]
    steps = signatures("complete_best", **tiny.rows(3))["steps"]
    phases = ("descent_steps", "adapt_steps", "steps")
    assert set(steps) == {sum(sampling[phase] for phase in phases)}


@pytest.mark.parametrize("choice", ["auto", "false"])
def test_no_preset_asks_for_xla(choice):
    """On a machine with a GPU too."""
    presets = ExportConfig(jit_compile=choice).presets(True, False).values()
    assert {settings.jit_compile for settings in presets} == {"false"}
    assert {settings.block_size for settings in presets} == {8}
    with pytest.raises(ValueError, match="--jit_compile must be false or auto for an export"):
        ExportConfig(jit_compile="true")


def test_samples_are_drawn_where_a_signature_gives_them():
    """A mean estimate needs no samples."""
    config = ExportConfig(samples=3, best_samples=5)
    for has_estimate, best_samples in ((False, 5), (True, 0)):
        presets = config.presets(True, has_estimate)
        assert [presets[name].samples for name in PRESETS] == [3, 0, best_samples]
        mean = ExportConfig(samples=3, estimate="mean").presets(True, has_estimate)["complete"]
        assert mean.samples == (0 if has_estimate else 3)
