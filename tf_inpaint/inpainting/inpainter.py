"""Completing images: start, search, blend, in blocks of a fixed number of rows.

Generator and discriminator come as plain callables, so anything that maps z to pictures can be searched.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.inpainting import blending
from tf_inpaint.latent_search import loop, objective, posterior, solvers, starting_points
from tf_inpaint.latent_search.energy import DISTANCES, PRIORS, Energy

BLENDS = {"poisson": blending.poisson, "feather": blending.feather, "paste": blending.paste}
TRACED = {name: tf.function(blend, autograph=False) for name, blend in BLENDS.items()}
"""One graph for all inpainters of rows of a size: making it takes a second."""
DEFAULT_SOLVER = solvers.adam(constrain=solvers.clip)
SETTLING = 25
"""Steps in which the energy of a search from a good start may rise before it falls below it."""

Watch = Callable[[float, int, np.ndarray, Callable[[], np.ndarray]], None]
"""`watch(share, turn, rows, generated)`: how much of the search is done, in [0, 1]; which block of rows is being
searched; the image each of its rows belongs to; and a function that gives their best G(z), `[rows, H, W, C]`."""


class Completions(NamedTuple):
    """The answers for N images, as NumPy arrays."""

    images: np.ndarray
    """`[N, H, W, C]` in [-1, 1]: known pixels as given, bit for bit, and the hole filled."""
    generated: np.ndarray
    """`[N, H, W, C]`: G(z), or the mean of many."""
    z: np.ndarray
    """`[N, Z]`; of a mean, that of its first sample."""
    energy: np.ndarray
    """`[N]`: contextual + prior_weight * perceptual."""
    contextual: np.ndarray
    """`[N]`."""
    perceptual: np.ndarray
    """`[N]`."""
    steps: np.ndarray
    """int32 `[N]`, taken by the search that was kept."""
    reason: np.ndarray
    """int32 `[N]`, why it ended: of `loop.Reason`."""
    samples: np.ndarray
    """`[N, K, H, W, C]`, K completions that fit alike."""
    uncertainty: np.ndarray
    """`[N, H, W, 1]`, the standard deviation of G(z) over all that the samples' chains went through, before blending; 0
    where known, NaN without samples."""
    acceptance: np.ndarray
    """`[N, K]`, the share of its steps that a sample's chain accepted: near 0, it stood still."""


class Inpainter:
    """Fills the holes of images with what a generator can make of the rest.

    The rows (images times restarts) are searched in blocks of `block_size`, the last one padded, every random
    number comes from an image's own seed, and a row that has converged stays as it is while its block goes on. So
    an image's answer is the same, bit for bit, whoever its neighbours are and however many images are given. (On a CPU
    with oneDNN's kernels, which the commands ask for: `TF_ENABLE_ONEDNN_OPTS=1`.)

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1], in TensorFlow's operations: `if` and `len` of a
            tensor are not rewritten.
        discriminator: images to logits `[B, 1]`, likewise.
        latent_size: Z.
        steps: of the search, at most.
        solver: what moves z.
        restarts: searches per image, of which the one of lowest energy is kept.
        start_draws: z drawn per image; of these and the encoder's the best by energy start the search.
        contextual: "l1", "weighted_l1" by `objective.importance`, or "l2".
        prior: "saturating", log(1 - D), "non_saturating", -log D, or "critic", -logit.
        prior_weight: of the perceptual term; 0 leaves D out.
        prior_every: steps of the search from one pass through D to the next; D's tangent serves between them. That
            saves a quarter of the time, and costs no quality up to a weight of about 0.1; 1 is exact.
        blend: "poisson", "feather" or "paste".
        low_resolution_factor: match box averages of that many pixels a side instead of known pixels.
        block_size: rows searched together.
        encoder: images `[B, H, W, C]` and known `[B, H, W, 1]` to a z `[B, Z]` from which to start, if there is one.
        tolerance, patience: a search whose energy has not fallen by the share `tolerance` in the share `patience` of
            its steps, and in `SETTLING`, has converged and takes no more; a patience of 1 lets every search take all.
        keep: "best", the z of the lowest energy that the search came by, or "last".
        sampling: how to draw several answers; None: there are none.
        estimate: what the completion is made of: "best", the z of the lowest energy, "sample", the first of several
            answers, or "mean", that of all.

    Raises:
        ValueError: fewer starts than restarts, or low-resolution images by another distance than L1.
    """

    def __init__(
        self,
        generator: Callable[[tf.Tensor], tf.Tensor],
        discriminator: Callable[[tf.Tensor], tf.Tensor],
        latent_size: int,
        steps: int = 300,
        solver: solvers.Solver = DEFAULT_SOLVER,
        restarts: int = 1,
        start_draws: int = 64,
        contextual: str = "l1",
        prior: str = "saturating",
        prior_weight: float = 0.1,
        blend: str = "paste",
        low_resolution_factor: int | None = None,
        block_size: int = 8,
        encoder: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None,
        tolerance: float = 0.01,
        patience: float = 0.25,
        prior_every: int = 5,
        keep: str = "best",
        sampling: posterior.Sampling | None = None,
        estimate: str = "best",
    ):
        starts = start_draws + (encoder is not None)
        if starts < restarts:
            raise ValueError(
                f"Every restart needs a start of its own; received {starts} for {restarts} restarts; raise start_draws."
            )
        if low_resolution_factor and contextual == "l2":
            raise ValueError(
                f"The distance of low-resolution images must be L1; received contextual {contextual!r}; choose l1."
            )
        self.generator = generator
        self.discriminator = discriminator
        self.latent_size = latent_size
        self.steps = steps
        self.restarts = restarts
        self.start_draws = start_draws
        self.weighted = contextual == "weighted_l1"
        self.blend, self.blend_rows = BLENDS[blend], TRACED[blend]
        self.factor = low_resolution_factor
        self.block_size = block_size
        self.encoder = encoder
        stopping = (
            loop.Stopping(tolerance, max(math.ceil(patience * steps), SETTLING))
            if patience < 1
            else None
        )
        lagging = prior_weight != 0 and prior_every > 1
        self.sampling = sampling
        self.estimate = estimate
        terms = DISTANCES[contextual], PRIORS[prior], prior_weight, low_resolution_factor
        self.energy = Energy(generator, discriminator, *terms)
        self.picture = tf.function(generator, autograph=False)
        lag = (
            (self.energy.with_linearized_prior, self.energy.linearize_prior, prior_every)
            if lagging
            else (self.energy, None, 1)
        )
        self.search = loop.Search(lag[0], solver, block_size, latent_size, stopping, keep, *lag[1:])

    @property
    def images_sampled_together(self) -> int:
        """Of which the chains fill a block: a divisor of its size, so that one image need not wait for eight."""
        sizes = range(1, self.block_size + 1)
        fitting = [size for size in sizes if self.block_size % size == 0]
        return max(
            [size for size in fitting if size * self.sampling.samples <= self.block_size], default=1
        )

    @tf.function(autograph=False)
    def start(self, images, known, weights, seeds):
        candidates = starting_points.random_candidates(seeds, self.start_draws, self.latent_size)
        if self.encoder:
            candidates = tf.concat([self.encoder(images, known)[:, None], candidates], axis=1)
        if candidates.shape[1] == self.restarts:
            return candidates
        return starting_points.lowest_candidates(
            lambda z: self.energy(z, images, weights), candidates, self.restarts
        )

    @tf.function(autograph=False)
    def row_seeds(self, seeds):
        """A seed for each restart, `[B, restarts, 2]`."""
        return tf.stack([solvers.fold_in(seeds, number) for number in range(self.restarts)], axis=1)

    @tf.function(autograph=False)
    def several(self, images, known, weights, seeds):
        """Of each image: K z, K completions, the mean picture, the uncertainty of its hole, and the K acceptances."""
        count = self.sampling.samples
        share = (
            tf.ones([tf.shape(known)[0]]) if self.factor else tf.reduce_mean(known, axis=[1, 2, 3])
        )
        z = self.encoder(images, known) if self.encoder else None

        def misfit(z, images=images, weights=weights):
            return self.energy.contextual(self.generator(z), images, weights)

        starts = starting_points.chain_starts(
            z, misfit, seeds, share, count, self.start_draws, self.latent_size
        )
        rows = [tf.repeat(each, count, axis=0) for each in (images, known, weights)]
        of_rows = functools.partial(misfit, images=rows[0], weights=rows[2])
        found = posterior.sample(of_rows, self.generator, starts, seeds, share, self.sampling)
        pictures = self.generator(tf.reshape(found.z, [-1, self.latent_size]))
        completions = tf.reshape(
            self.blend_rows(*rows[:2], pictures), [-1, count, *pictures.shape[1:]]
        )
        uncertainty = tf.where(known > 0, 0.0, posterior.uncertainty(found.standard_deviation))
        return found.z, completions, found.mean, uncertainty, found.acceptance_rate

    @tf.function(autograph=False)
    def finish(self, images, known, weights, generated):
        contextual = self.energy.contextual(generated, images, weights)
        perceptual = self.energy.perceptual(generated)
        energy = contextual + self.energy.prior_weight * perceptual
        return self.blend_rows(images, known, generated), energy, contextual, perceptual

    def complete(
        self,
        images: np.ndarray,
        known: np.ndarray,
        seeds: np.ndarray,
        watch: Watch | None = None,
        watch_every: int = 10,
    ) -> Completions:
        """The completions of N images.

        Args:
            images: `[N, H, W, C]` in [-1, 1]; what lies in the hole is never read. With
                `low_resolution_factor` only the box averages are.
            known: `[N, H, W, 1]`, 1 = given, 0 = hole.
            seeds: int `[N, 2]`, an image's own; they fix its answer.
            watch: called before a block's first and after every `watch_every` of its steps.
        """
        if not len(images):
            raise ValueError(
                "At least one image is required; received none; check what was selected."
            )
        parts = [
            slice(first, first + self.block_size)
            for first in range(0, len(images), self.block_size)
        ]
        turns = [math.ceil(self.restarts * len(images[part]) / self.block_size) for part in parts]
        found = None
        for number, part in enumerate(parts):

            def tell(turn, steps, rows, generated, number=number, first=part.start):
                turn += sum(turns[:number])
                watch((turn + steps / self.steps) / sum(turns), turn, first + rows, generated)

            some = self.complete_block(
                images[part], known[part], seeds[part], tell if watch else None, watch_every
            )
            if found is None:
                found = Completions(
                    *(np.empty([len(images), *values.shape[1:]], values.dtype) for values in some)
                )
            for whole, values in zip(found, some, strict=True):
                whole[part] = values
        return found

    def complete_block(self, images, known, seeds, tell, every):
        """The completions of up to `block_size` images: all that is in memory at once, restarts and all."""
        count = len(images)
        images, known = np.asarray(images, np.float32), np.asarray(known, np.float32)
        if not self.factor:
            images = np.where(known > 0, images, np.float32(0))
        images, known, seeds = (
            self.padded(array) for array in (images, known, np.asarray(seeds, np.int64))
        )
        weights = objective.importance(known).numpy() if self.weighted else known
        given = images, known, weights, seeds
        samples, acceptance = (
            np.empty([len(images), 0, *images.shape[1:]], np.float32),
            np.empty([len(images), 0]),
        )
        uncertainty = np.full(known.shape, np.nan, np.float32)
        if self.sampling:
            size = self.images_sampled_together
            groups = [slice(first, first + size) for first in range(0, count, size)]
            found = [
                [part.numpy() for part in self.several(*(each[group] for each in given))]
                for group in groups
            ]
            drawn, samples, mean, uncertainty, acceptance = (
                self.padded(np.concatenate(part)) for part in zip(*found, strict=True)
            )
        if self.estimate == "best":
            z, steps, reason = self.lowest(count, *given, tell, every)
        else:
            z = drawn[:, 0]
            steps = np.full(len(images), self.sampling.total_steps, np.int32)
            reason = np.full(len(images), loop.Reason.DRAWN, np.int32)
        generated = mean if self.estimate == "mean" else self.picture(z).numpy()
        if tell and self.estimate != "best":
            tell(0, self.steps, np.arange(count), lambda: generated[:count])
        completed, *terms = (part.numpy() for part in self.finish(*given[:3], generated))
        found = completed, generated, z, *terms, steps, reason, samples, uncertainty, acceptance
        return Completions(*(part[:count] for part in found))

    def lowest(self, count, images, known, weights, seeds, tell, every):
        """The z of the lowest energy that the restarts of a block's first `count` images come by; steps and reason."""
        starts = self.start(images, known, weights, seeds).numpy()
        rows = np.repeat(np.arange(count), self.restarts)
        numbers = np.tile(np.arange(self.restarts), count)
        row_seeds = self.row_seeds(seeds).numpy()
        found = []
        for turn, first in enumerate(range(0, len(rows), self.block_size)):
            block = slice(first, first + self.block_size)
            owners = rows[block]

            def told(steps, turn=turn, owners=owners):
                def generated():
                    return self.generator(self.search.state.best_point)[: len(owners)].numpy()

                tell(turn, steps, owners, generated)

            self.search.restart(
                *(self.padded(each[owners, numbers[block]]) for each in (starts, row_seeds))
            )
            conditions = tuple(
                tf.constant(self.padded(array[owners])) for array in (images, weights)
            )
            found.append(
                [
                    part[: len(owners)]
                    for part in self.search_block(conditions, told if tell else None, every)
                ]
            )
        z, energy, steps, reason = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = np.arange(count) * self.restarts + energy.reshape(count, self.restarts).argmin(
            axis=1
        )
        return (self.padded(part[kept]) for part in (z, steps, reason))

    def search_block(self, conditions, tell, every):
        """What `search` finds under these conditions: `z`, `energy`, `steps` and `reason`, as arrays."""
        taken = 0
        while taken < self.steps:
            if tell:
                tell(taken)
            batch = min(every, self.steps - taken) if tell else self.steps
            self.search.advance(conditions, tf.constant(batch))
            taken += batch
            if taken < self.steps and self.search.all_converged:
                break
        if tell:
            tell(self.steps)
        return [part.numpy() for part in self.search.result()]

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """A block of the rows: filled up with the last one."""
        return np.concatenate([rows, np.repeat(rows[-1:], self.block_size - len(rows), axis=0)])
