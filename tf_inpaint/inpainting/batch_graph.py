"""Completion as one pure function of a batch of any size: what a served model runs.

The answers are those of `Inpainter.complete`: rows are computed in blocks of the same fixed size
with the same random numbers, and are the same, bit for bit, whatever rows are beside them. (A graph
around all steps may round otherwise than the steps alone, and a difference in the last bit leads a
chain to another sample.) Nothing is raised because of the content of a row.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.latent_search.objective import importance


class ServedCompletions(NamedTuple):
    """The answers for B images, as tensors; see `Completions`."""

    images: tf.Tensor
    generated: tf.Tensor
    uncertainties: tf.Tensor
    """`[B, H, W, 1]`; -1 where there is no uncertainty, for JSON has no NaN."""
    energies: tf.Tensor
    steps: tf.Tensor
    errors: tf.Tensor
    """string `[B]`, a sentence if the row cannot be completed, else empty."""


def in_blocks(
    function: Callable[..., Sequence[tf.Tensor]], size: int, rows: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, ...]:
    """Applies `function(*block)` to all rows, `size` rows at a time.

    The last block is padded with copies of the last row.

    Args:
        function: tensors `[size, ...]` to tensors with as many rows.
        size: number of rows of a block.
        rows: tensors `[N, ...]`; N is at least 1 and may be unknown when the graph is built.
    """
    count = tf.shape(rows[0])[0]
    blocks = (count + size - 1) // size
    order = tf.minimum(tf.range(blocks * size), count - 1)
    shaped = [
        tf.reshape(tf.gather(tensor, order), [-1, size, *tensor.shape[1:]]) for tensor in rows
    ]
    specs = [tf.TensorSpec(tensor.shape[1:], tensor.dtype) for tensor in shaped]
    traced = tf.function(
        lambda *block: tuple(function(*block)), autograph=False
    ).get_concrete_function(*specs)
    output_specs = tf.nest.map_structure(tf.TensorSpec.from_tensor, traced.structured_outputs)
    outputs = tf.map_fn(
        lambda block: traced(*block),
        tuple(shaped),
        parallel_iterations=1,
        fn_output_signature=output_specs,
    )
    return tuple(tf.reshape(tensor, [-1, *tensor.shape[2:]])[:count] for tensor in outputs)


def complete(
    inpainter: Inpainter, images: tf.Tensor, known: tf.Tensor, seeds: tf.Tensor
) -> ServedCompletions:
    """Completes B images. A row that cannot be completed comes back unchanged.

    Args:
        inpainter: networks and settings.
        images: `[B, H, W, C]` float32, finite and in [-1, 1] where known; all sizes but B are
            fixed.
        known: `[B, H, W, 1]` float32, 1 = given, 0 = hole.
        seeds: int32 `[B]`. `complete --seed=0` gives an image the crc32 of its name as seed.
    """
    # Replace rows with errors by images without a hole.
    errors = input_errors(images, known)
    valid = (errors == "")[:, None, None, None]
    masked = tf.where(valid & (known > 0), images, 0.0)
    shown = tf.where(valid, known, 1.0)
    unsigned = tf.cast(tf.bitcast(seeds, tf.uint32), tf.int64)
    seed_pairs = tf.stack([tf.zeros_like(unsigned), unsigned], axis=1)
    weights = importance(shown) if inpainter.weighted else shown
    rows = masked, shown, weights, seed_pairs
    size, count = inpainter.block_size, tf.shape(images)[0]

    # Draw samples, or search for the lowest energy, as the estimate asks for.
    uncertainties = tf.fill(tf.shape(known), -1.0)
    if inpainter.sampling and not inpainter.estimates_mean:
        sampled_z, _, mean, uncertainties, _ = in_blocks(
            inpainter.sample_posterior, inpainter.sampling_batch, rows
        )
    if inpainter.searches:
        z, steps = minimized(inpainter, rows)
    else:
        z, steps = sampled_z[:, 0], tf.fill([count], inpainter.sampling.total_steps)
    if inpainter.averages:
        generated = mean
    else:
        (generated,) = in_blocks(
            lambda *block: (inpainter.pictures(*block),), size, (z, masked, weights)
        )

    # Blend, and return rows with errors unchanged.
    completed, energies, *_ = in_blocks(inpainter.finish, size, (*rows[:3], generated))
    if inpainter.estimates_mean:
        completed, uncertainties = in_blocks(
            inpainter.mean_estimate, size, (masked, shown, completed)
        )
        generated = completed
    not_finite = ~tf.math.is_finite(energies) & (errors == "")
    sentence = "The networks must give finite numbers; for this row they did not; export them anew."
    errors = tf.where(not_finite, sentence, errors)
    complete_rows = errors == ""
    return ServedCompletions(
        tf.where(complete_rows[:, None, None, None], completed, images),
        generated,
        tf.where(complete_rows[:, None, None, None], uncertainties, -1.0),
        tf.where(complete_rows, energies, 0.0),
        tf.where(complete_rows, steps, 0),
        errors,
    )


def minimized(inpainter: Inpainter, rows: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """z of the lowest energy over the restarts of each image, and its steps.

    The same as `Inpainter.minimized`.
    """
    restarts, size = inpainter.restarts, inpainter.block_size
    (starts,) = in_blocks(lambda *block: (inpainter.starts(*block),), size, rows)
    seeds = inpainter.restart_seeds(rows[3])
    images, weights = (tf.repeat(rows[index], restarts, axis=0) for index in (0, 2))

    def search(point, seeds, images, weights):
        return inpainter.search.minimize(point, seeds, (images, weights), inpainter.steps)[:3]

    flat = tf.reshape(starts, [-1, starts.shape[-1]]), tf.reshape(seeds, [-1, 2])
    z, energies, steps = in_blocks(search, size, (*flat, images, weights))
    best = tf.argmin(tf.reshape(energies, [-1, restarts]), axis=1, output_type=tf.int32)
    best_rows = tf.range(tf.shape(rows[0])[0]) * restarts + best
    return tf.gather(z, best_rows), tf.gather(steps, best_rows)


def input_errors(images: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """What is wrong with each row, as a sentence, string `[B]`; empty if nothing is wrong."""
    pixels = [1, 2, 3]
    masked = tf.where(known > 0, images, 0.0)
    is_binary = (known == 0) | (known == 1)
    finite = tf.reduce_all(tf.math.is_finite(masked), axis=pixels)
    largest = tf.reduce_max(tf.abs(masked), axis=pixels)
    worst_mask = tf.reduce_max(tf.where(is_binary, 0.0, tf.abs(known)), axis=pixels)
    out_of_range = tf.strings.join(
        [
            "images must lie in [-1, 1] where masks are 1; received a pixel of size ",
            tf.strings.as_string(largest, precision=9, shortest=True),
            "; send levels / 127.5 - 1.",
        ]
    )
    errors = tf.where(largest > 1, out_of_range, tf.fill(tf.shape(largest), ""))
    not_finite = "images must be finite where masks are 1; received NaN or infinity; mend the row."
    errors = tf.where(finite, errors, not_finite)
    not_binary = tf.strings.join(
        [
            "masks must be 0 (hole) or 1 (known); received one of size ",
            tf.strings.as_string(worst_mask, precision=9, shortest=True),
            "; round them.",
        ]
    )
    return tf.where(tf.reduce_all(is_binary, axis=pixels), errors, not_binary)
