"""The signatures of an exported model, run as a SavedModel."""

import numpy as np
import pytest
import tiny
from rounding import kernel_tolerance
from tensorflow.core.protobuf import saved_model_pb2

from tf_inpaint.config import ExportConfig
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
    graph = saved_model_pb2.SavedModel.FromString((exported[1] / "1/saved_model.pb").read_bytes())
    (meta,) = graph.meta_graphs
    functions = meta.graph_def.library.function
    nodes = [*meta.graph_def.node, *(node for function in functions for node in function.node_def)]
    assert len(nodes) > 1000
    assert not [node.op for node in nodes if "Xla" in node.op or "PyFunc" in node.op]
    for part in (*functions, *nodes):
        assert not part.attr["_XlaMustCompile"].b
        assert not part.attr["jit_compile"].b


@pytest.mark.parametrize("choice", ["auto", "false"])
def test_no_preset_asks_for_xla(choice):
    """On a machine with a GPU too."""
    presets = ExportConfig(jit_compile=choice).presets(encoder=True).values()
    assert {settings.jit_compile for settings in presets} == {"false"}
    assert {settings.block_size for settings in presets} == {8}
    with pytest.raises(ValueError, match="--jit_compile must be false or auto for an export"):
        ExportConfig(jit_compile="true")
