"""Completions as one pure function of a batch of any size: what a served model runs.

The answers are those of `Inpainter.complete`: rows are worked on in blocks of the same fixed size, with the same random
numbers, and come out bit for bit alike whatever rows stand beside them. (A graph around the whole may round otherwise
than its parts, and chains make other samples of a last bit.) Nothing is raised for what a row holds.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.latent_search.objective import importance


class Answers(NamedTuple):
    """Of B images; see `Completions`."""

    images: tf.Tensor
    generated: tf.Tensor
    uncertainties: tf.Tensor
    """`[B, H, W, 1]`; -1 where no samples are drawn, as JSON has no NaN."""
    energies: tf.Tensor
    steps: tf.Tensor
    errors: tf.Tensor
    """string `[B]`, a sentence where the row cannot be completed, else empty."""


def in_blocks(
    function: Callable[..., Sequence[tf.Tensor]], size: int, rows: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, ...]:
    """`function(*blocks)` of all rows, `size` of them at a time; the last block is filled up with the last row.

    Args:
        function: `[size, ...]` tensors to tensors that have a row for each.
        rows: `[N, ...]` each, N at least 1 and free.
    """
    count = tf.shape(rows[0])[0]
    blocks = (count + size - 1) // size
    order = tf.minimum(tf.range(blocks * size), count - 1)
    shaped = [tf.reshape(tf.gather(each, order), [-1, size, *each.shape[1:]]) for each in rows]
    specs = [tf.TensorSpec(each.shape[1:], each.dtype) for each in shaped]
    traced = tf.function(
        lambda *block: tuple(function(*block)), autograph=False
    ).get_concrete_function(*specs)
    outputs = tf.nest.map_structure(tf.TensorSpec.from_tensor, traced.structured_outputs)
    found = tf.map_fn(
        lambda block: traced(*block),
        tuple(shaped),
        parallel_iterations=1,
        fn_output_signature=outputs,
    )
    return tuple(tf.reshape(part, [-1, *part.shape[2:]])[:count] for part in found)


def complete(
    inpainter: Inpainter, images: tf.Tensor, known: tf.Tensor, seeds: tf.Tensor
) -> Answers:
    """The completions of B images.

    A row that cannot be completed comes back as it was given.

    Args:
        images: `[B, H, W, C]` float32, finite and in [-1, 1] where known; all but B must be fixed.
        known: `[B, H, W, 1]` float32, 1 = given, 0 = hole.
        seeds: int32 `[B]`; `complete --seed=0` gives an image the crc32 of its name.
    """
    errors = faults(images, known)
    good = (errors == "")[:, None, None, None]
    given = tf.where(good & (known > 0), images, 0.0)
    shown = tf.where(good, known, 1.0)
    pairs = tf.cast(tf.bitcast(seeds, tf.uint32), tf.int64)
    pairs = tf.stack([tf.zeros_like(pairs), pairs], axis=1)
    weights = importance(shown) if inpainter.weighted else shown
    rows = given, shown, weights, pairs
    size, count = inpainter.block_size, tf.shape(images)[0]

    uncertainties = tf.fill(tf.shape(known), -1.0)
    if inpainter.sampling:
        drawn, _, mean, uncertainties, _ = in_blocks(
            inpainter.several, inpainter.images_sampled_together, rows
        )
    if inpainter.estimate == "best":
        z, steps = lowest(inpainter, rows)
    else:
        z, steps = drawn[:, 0], tf.fill([count], inpainter.sampling.total_steps)
    (generated,) = (
        (mean,)
        if inpainter.estimate == "mean"
        else in_blocks(lambda z: (inpainter.picture(z),), size, [z])
    )
    completed, energies, *_ = in_blocks(inpainter.finish, size, (*rows[:3], generated))
    lost = ~tf.math.is_finite(energies) & (errors == "")
    errors = tf.where(
        lost,
        "The networks must give finite numbers; for this row they did not; export them anew.",
        errors,
    )
    fine = errors == ""
    return Answers(
        tf.where(fine[:, None, None, None], completed, images),
        generated,
        tf.where(fine[:, None, None, None], uncertainties, -1.0),
        tf.where(fine, energies, 0.0),
        tf.where(fine, steps, 0),
        errors,
    )


def lowest(inpainter: Inpainter, rows: Sequence[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """The z of the lowest energy that each image's restarts come by, and its steps: `Inpainter.lowest`."""
    restarts, size = inpainter.restarts, inpainter.block_size
    (starts,) = in_blocks(lambda *block: (inpainter.start(*block),), size, rows)
    row_seeds = inpainter.row_seeds(rows[3])
    images, weights = (tf.repeat(rows[place], restarts, axis=0) for place in (0, 2))

    def search(point, seeds, images, weights):
        return inpainter.search.minimize(point, seeds, (images, weights), inpainter.steps)[:3]

    flat = tf.reshape(starts, [-1, starts.shape[-1]]), tf.reshape(row_seeds, [-1, 2])
    z, energies, steps = in_blocks(search, size, (*flat, images, weights))
    best = tf.argmin(tf.reshape(energies, [-1, restarts]), axis=1, output_type=tf.int32)
    kept = tf.range(tf.shape(rows[0])[0]) * restarts + best
    return tf.gather(z, kept), tf.gather(steps, kept)


def faults(images: tf.Tensor, known: tf.Tensor) -> tf.Tensor:
    """What is wrong with each row, as a sentence, string `[B]`; empty where nothing is."""
    pixels = [1, 2, 3]
    masked = tf.where(known > 0, images, 0.0)
    binary = tf.reduce_all((known == 0) | (known == 1), axis=pixels)
    finite = tf.reduce_all(tf.math.is_finite(masked), axis=pixels)
    largest = tf.reduce_max(tf.abs(masked), axis=pixels)
    worst = tf.reduce_max(tf.where((known == 0) | (known == 1), 0.0, tf.abs(known)), axis=pixels)
    none = tf.fill(tf.shape(largest), "")
    errors = tf.where(
        largest > 1,
        tf.strings.join(
            [
                "images must lie in [-1, 1] where masks are 1; received a pixel of size ",
                tf.strings.as_string(largest, precision=9, shortest=True),
                "; send levels / 127.5 - 1.",
            ]
        ),
        none,
    )
    errors = tf.where(
        finite,
        errors,
        "images must be finite where masks are 1; received NaN or infinity; mend the row.",
    )
    described = tf.strings.as_string(worst, precision=9, shortest=True)
    return tf.where(
        binary,
        errors,
        tf.strings.join(
            [
                "masks must be 0 (hole) or 1 (known); received one of size ",
                described,
                "; round them.",
            ]
        ),
    )
