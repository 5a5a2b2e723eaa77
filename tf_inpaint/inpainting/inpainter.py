"""Completes images: starts, searches and blends, in blocks of a fixed number of rows."""

import functools
import math
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from tf_inpaint.compositing import blending
from tf_inpaint.inpainting import completions as answers
from tf_inpaint.inpainting import search_parts
from tf_inpaint.inpainting.completions import Block, BlockProgress, Completions, Samples, Watch
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.latent_search import loop, objective, posterior, starting_points
from tf_inpaint.settings.search_settings import SearchSettings

BLENDS = {"poisson": blending.poisson, "feather": blending.feather, "paste": blending.paste}
TRACED_BLENDS = {name: tf.function(blend, autograph=False) for name, blend in BLENDS.items()}
"""Blends as graphs that all inpainters share, for tracing one takes a second."""


class Inpainter:
    """Fills the holes of images with pictures that a generator can draw and that match the rest.

    Rows (images times restarts) are searched in blocks of `block_size`; the last block is padded.
    Every random number comes from the seed of its image, and a row that has converged does not
    change while its block goes on. So an image's answer is the same, bit for bit, whatever images
    are beside it. On a CPU this needs oneDNN's kernels (`TF_ENABLE_ONEDNN_OPTS=1`), which the
    commands ask for.

    Args:
        networks: generator, discriminator and perhaps an encoder.
        settings: how to search and to blend.
        low_resolution_factor: side of boxes, in pixels. The averages of the boxes are known then,
            instead of single pixels.

    Raises:
        ValueError: the settings ask for an encoder and there is none, or low-resolution images are
            to be compared by another distance than L1.

    Source: Yeh et al. 2017, Semantic Image Inpainting with Deep Generative Models.
    """

    def __init__(
        self,
        networks: FrozenNetworks,
        settings: SearchSettings,
        low_resolution_factor: int | None = None,
    ):
        # An encoder has only seen images with known pixels.
        encoder = None if settings.start == "random" or low_resolution_factor else networks.encoder
        if settings.start == "encoder" and encoder is None:
            raise ValueError(
                "--start=encoder must have an encoder and known pixels; received a run without an "
                "encoder, or the mask lowres; train with --encoder_steps, or pass --start=best."
            )
        self.settings = settings = settings.with_block_size()
        self.generator = networks.generator
        self.latent_size = networks.latent_size
        self.encoder = encoder
        self.low_resolution_factor = low_resolution_factor
        self.deeper_steps = search_parts.number_of_deeper_steps(settings, networks)
        self.steps = search_parts.number_of_steps(settings, encoder is not None, self.deeper_steps)
        self.restarts = settings.restarts
        self.start_draws = search_parts.number_of_draws(settings, encoder is not None)
        self.chain_draws = search_parts.number_of_chain_draws(settings)
        self.weighted = settings.contextual == "weighted_l1"
        self.block_size = settings.block_size
        self.blend, self.blend_rows = BLENDS[settings.blend], TRACED_BLENDS[settings.blend]
        self.energy = search_parts.new_energy(settings, networks, low_resolution_factor)
        self.searches = search_parts.searches(settings, networks, low_resolution_factor)
        self.averages = settings.estimate == "mean" and not self.searches
        self.estimates_mean = settings.estimate == "mean" and self.searches
        self.sampling = search_parts.new_sampling(settings, networks, self.searches)
        self.sampling_batch = search_parts.sampling_batch(self.sampling, self.block_size)
        self.search = search_parts.new_search(settings, networks, self.energy, self.steps)
        graph = search_parts.new_graph(settings)
        self.pictures = graph(search_parts.new_pictures(networks, self.energy, self.deeper_steps))
        self.starts = graph(self.starts)
        restart_seeds = functools.partial(search_parts.restart_seeds, restarts=self.restarts)
        self.restart_seeds = graph(restart_seeds)
        self.sample_posterior = graph(self.sample_posterior)
        self.finish = graph(self.finish)
        if self.estimates_mean:
            # Its matrices have sizes that depend on the mask, which XLA cannot compile.
            self.mean_estimate = tf.function(networks.mean_estimate, autograph=False)

    def starts(self, images, known, weights, seeds, last_z=None):
        """The z at which the restarts of each image begin, `[B, restarts, Z]`; see `complete`."""
        candidates = starting_points.random_candidates(seeds, self.start_draws, self.latent_size)
        if self.encoder:
            candidates = tf.concat([self.encoder(images, known)[:, None], candidates], axis=1)
        if last_z is not None:
            candidates = tf.concat([candidates, last_z[:, None]], axis=1)
        if candidates.shape[1] == self.restarts:
            return candidates
        return starting_points.lowest_candidates(
            lambda z: self.energy(z, images, weights), candidates, self.restarts
        )

    def sample_posterior(self, images, known, weights, seeds):
        """Draws K answers for each image; returns tensors in the order of `Samples`."""
        count = self.sampling.samples
        if self.low_resolution_factor:
            known_share = tf.ones([tf.shape(known)[0]])
        else:
            known_share = tf.reduce_mean(known, axis=[1, 2, 3])
        encoder_z = self.encoder(images, known) if self.encoder else None
        rows = [tf.repeat(array, count, axis=0) for array in (images, known, weights)]

        def misfit(z):
            return self.energy.contextual(self.generator(z), rows[0], rows[2])

        # Start the chains, and let them run.
        starts = starting_points.chain_starts(
            encoder_z, misfit, seeds, known_share, count, self.chain_draws, self.latent_size
        )
        samples = posterior.sample(
            misfit, self.generator, starts, seeds, known_share, self.sampling
        )
        # Blend the picture of every chain.
        pictures = self.pictures(tf.reshape(samples.z, [-1, self.latent_size]), rows[0], rows[2])
        completions = self.blend_rows(*rows[:2], pictures)
        completions = tf.reshape(completions, [-1, count, *pictures.shape[1:]])
        uncertainty = posterior.uncertainty(samples.standard_deviation)
        uncertainty = tf.where(known > 0, 0.0, uncertainty)
        return samples.z, completions, samples.mean, uncertainty, samples.acceptance_rate

    def finish(self, images, known, weights, generated):
        """The blended images, and energy, contextual and perceptual term of `generated`."""
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
        last_z: np.ndarray | None = None,
    ) -> Completions:
        """Completes N images.

        Args:
            images: `[N, H, W, C]` in [-1, 1]. Hidden pixels are never read; with
                `low_resolution_factor` only the averages of the boxes are read.
            known: `[N, H, W, 1]`, 1 = given, 0 = hole.
            seeds: int `[N, 2]`, a seed for each image, which fixes its answer.
            watch: called before the first step of a block and after every `watch_every` steps.
            watch_every: number of steps between two calls of `watch`.
            last_z: `[N, Z]`, a further z at which the search of each image may start, such as the
                z of the last frame of a film; None: there is none.

        Raises:
            ValueError: there is no image.
        """
        if not len(images):
            raise ValueError(
                "At least one image is required; received none; check the selection of images."
            )
        size, count = self.block_size, len(images)
        parts = [slice(first, min(first + size, count)) for first in range(0, count, size)]
        turns = [math.ceil(self.restarts * (part.stop - part.start) / size) for part in parts]

        def completed_blocks():
            for number, part in enumerate(parts):
                places = part.start, sum(turns[:number]), sum(turns)
                progress = watch and BlockProgress(watch, watch_every, self.steps, *places)
                z = None if last_z is None else last_z[part]
                block = self.padded_block(images[part], known[part], seeds[part], z)
                yield self.complete_block(block, part.stop - part.start, progress)

        return answers.gather(completed_blocks(), count)

    def complete_block(self, block, count: int, progress: BlockProgress | None) -> Completions:
        """Completes the first `count` images of a block.

        No more than these images and their restarts are in memory at once.
        """
        images, known, weights = block[:3]
        samples = self.drawn_samples(block, count)
        # Choose the z and the picture of every image.
        if self.searches:
            z, steps, reason, from_last = self.minimized(block, count, progress)
        else:
            z, from_last = samples.z[:, 0], np.zeros(len(samples.z), bool)
            steps = np.full(len(z), self.sampling.total_steps, np.int32)
            reason = np.full(len(z), loop.Reason.DRAWN, np.int32)
        generated = samples.mean if self.averages else self.pictures(z, images, weights).numpy()
        corrected = self.deeper_steps and self.restarts == 1
        if progress and (corrected or not self.searches):
            progress.report(0, self.steps, np.arange(count), lambda: generated[:count])
        # Blend, and drop the padding.
        finished = self.finish(images, known, weights, generated)
        completed, *terms = (tensor.numpy() for tensor in finished)
        uncertainty = samples.uncertainty
        if self.estimates_mean:
            estimate = self.mean_estimate(images, known, completed)
            completed, uncertainty = (tensor.numpy() for tensor in estimate)
            generated = completed
        fields = completed, generated, z, *terms, steps, reason, from_last
        fields += samples.completions, uncertainty, samples.acceptance
        return Completions(*(field[:count] for field in fields))

    def padded_block(self, images, known, seeds, last_z) -> Block:
        """The input of a block, with hidden pixels set to 0; `last_z` may be None."""
        images, known = np.asarray(images, np.float32), np.asarray(known, np.float32)
        if not self.low_resolution_factor:
            images = np.where(known > 0, images, np.float32(0))
        images, known = self.padded(images), self.padded(known)
        weights = objective.importance(known).numpy() if self.weighted else known
        last_z = None if last_z is None else self.padded(np.asarray(last_z, np.float32))
        return Block(images, known, weights, self.padded(np.asarray(seeds, np.int64)), last_z)

    def drawn_samples(self, block: Block, count: int) -> Samples:
        """Several answers for the first `count` images of a block; none without `sampling`."""
        if not self.sampling:
            return answers.no_samples(block, self.latent_size)
        batches = []
        for first in range(0, count, self.sampling_batch):
            batch = [array[first : first + self.sampling_batch] for array in block[:4]]
            batches.append([tensor.numpy() for tensor in self.sample_posterior(*batch)])
        fields = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
        return Samples(*(self.padded(field) for field in fields))

    def minimized(
        self, block: Block, count: int, progress: BlockProgress | None
    ) -> Iterator[np.ndarray]:
        """z of the lowest energy over the restarts of each image, with its steps, its reason, and
        whether its search began at `last_z`.
        """
        size, restarts = self.block_size, self.restarts
        starts = self.starts(*block).numpy()
        from_last = block.is_last_z(starts)[:count].ravel()
        seeds = self.restart_seeds(block.seeds).numpy()
        # Row r of all searches belongs to image owners[r], and is its restart numbers[r].
        owners = np.repeat(np.arange(count), restarts)
        numbers = np.tile(np.arange(restarts), count)
        results = []
        for turn, first in enumerate(range(0, len(owners), size)):
            images, rows = owners[first : first + size], numbers[first : first + size]
            self.search.restart(*(self.padded(array[images, rows]) for array in (starts, seeds)))
            conditions = tuple(
                tf.constant(self.padded(array[images])) for array in (block.images, block.weights)
            )
            result = self.run_search(conditions, turn, images, progress)
            results.append([field[: len(images)] for field in result])
        # Keep the best restart of each image.
        z, energy, steps, reason = (np.concatenate(fields) for fields in zip(*results, strict=True))
        best = energy.reshape(count, restarts).argmin(axis=1)
        rows = np.arange(count) * restarts + best
        return (self.padded(field[rows]) for field in (z, steps, reason, from_last))

    def run_search(
        self, conditions, turn: int, owners: np.ndarray, progress: BlockProgress | None
    ) -> Iterable[np.ndarray]:
        """Runs `search` to its end; returns z, energy, steps and reason of its rows."""

        def generated():
            return self.generator(self.search.state.best_point)[: len(owners)].numpy()

        taken = 0
        while taken < self.steps:
            steps = self.steps
            if progress:
                progress.report(turn, taken, owners, generated)
                steps = min(progress.every, self.steps - taken)
            self.search.advance(conditions, tf.constant(steps))
            taken += steps
            if taken < self.steps and self.search.all_converged:
                break
        if progress:
            progress.report(turn, self.steps, owners, generated)
        return [tensor.numpy() for tensor in self.search.result()]

    def padded(self, rows: np.ndarray) -> np.ndarray:
        """A full block: the rows, followed by copies of the last row."""
        return np.concatenate([rows, np.repeat(rows[-1:], self.block_size - len(rows), axis=0)])
