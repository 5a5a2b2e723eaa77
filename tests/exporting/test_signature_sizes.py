"""The size of a signature counts what the signature needs, and nothing else."""

import numpy as np
import pytest
import tensorflow as tf

from tf_inpaint.exporting.signature_sizes import node_name, reachable, signature_sizes

SPEC = tf.TensorSpec([None], tf.float32, "values")


def weighted(count, function=tf.identity):
    """A function that adds `count` constants to the result of another function."""
    constants = np.random.default_rng(count).normal(size=count).astype(np.float32)
    return tf.function(
        lambda values: function(values) + tf.reduce_sum(tf.constant(constants)),
        input_signature=[SPEC],
    )


def test_shared_functions_count_in_every_signature(tmp_path):
    shared = weighted(50_000)
    signatures = {
        "shared": shared.get_concrete_function(),
        "alone": weighted(20_000).get_concrete_function(),
        "both": weighted(10_000, shared).get_concrete_function(),
    }
    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=signatures)
    sizes = signature_sizes(tmp_path)
    expected = {"shared": 200_000, "alone": 80_000, "both": 240_000}
    assert sizes == pytest.approx(expected, abs=5_000)


def test_reachable_items_of_a_graph_with_a_cycle():
    items = {"a": ["b", "missing"], "b": ["a", "c"], "c": [], "d": ["a"]}
    assert reachable(["a"], items, lambda item: item) == {"a", "b", "c"}
    assert reachable(["missing"], items, lambda item: item) == set()
    assert [node_name(name) for name in ("a", "a:0", "^a", "b/c:1")] == ["a", "a", "a", "b/c"]
