"""Completing images: start, search, blend, in blocks of a fixed number of rows.

Generator and discriminator come as plain callables, so anything that maps z to pictures can be searched.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_inpaint.inpainting import blending, objective, solve, solvers

BLENDS = {"paste": blending.paste, "poisson": blending.poisson}
DEFAULT_SOLVER = solvers.adam(constrain=solvers.clip)
PRIORS = {
    "saturating": objective.saturating,
    "non_saturating": objective.non_saturating,
    "critic": objective.critic,
}
LANES = 16
"""Numbers in the widest vector instruction of a CPU."""

Watch = Callable[[float, int, np.ndarray, Callable[[], np.ndarray]], None]
"""`watch(share, turn, rows, generated)`: how much of the search is done, in [0, 1]; which block of rows is being
searched; the image each of its rows belongs to; and a function that gives their best G(z), `[rows, H, W, C]`."""


class Completions(NamedTuple):
    """The answers for N images, as NumPy arrays."""

    images: np.ndarray
    """`[N, H, W, C]` in [-1, 1]: known pixels as given, bit for bit, and the hole filled."""
    generated: np.ndarray
    """`[N, H, W, C]`: G(z)."""
    z: np.ndarray
    """`[N, Z]`."""
    energy: np.ndarray
    """`[N]`: contextual + prior_weight * perceptual."""
    contextual: np.ndarray
    """`[N]`."""
    perceptual: np.ndarray
    """`[N]`."""


class Inpainter:
    """Fills the holes of images with what a generator can make of the rest.

    The rows (images times restarts) are searched in blocks of `block_size`, the last one padded, and every
    random number comes from an image's own seed. So an image's answer is the same, bit for bit, whoever its
    neighbours are and however many images are given.

    Args:
        generator: z `[B, Z]` to images `[B, H, W, C]` in [-1, 1].
        discriminator: images to logits `[B, 1]`.
        latent_size: Z.
        steps: of the search.
        solver: what moves z.
        restarts: searches per image, of which the one of lowest energy is kept.
        start_draws: z drawn per image; of these and the encoder's the best by energy start the search.
        contextual: "l1", or "weighted_l1" by `objective.importance`.
        prior: "saturating", log(1 - D), "non_saturating", -log D, or "critic", -logit.
        prior_weight: of the perceptual term; 0 leaves D out.
        blend: "paste" or "poisson".
        low_resolution_factor: match box averages of that many pixels a side instead of known pixels.
        block_size: rows searched together.
        encoder: images `[B, H, W, C]` and known `[B, H, W, 1]` to a z `[B, Z]` from which to start, if there is one.

    Raises:
        ValueError: fewer starts than restarts.
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
    ):
        starts = start_draws + (encoder is not None)
        if starts < restarts:
            raise ValueError(
                f"Every restart needs a start of its own; received {starts} for {restarts} restarts; raise start_draws."
            )
        self.generator = generator
        self.discriminator = discriminator
        self.latent_size = latent_size
        self.steps = steps
        self.restarts = restarts
        self.start_draws = start_draws
        self.weighted = contextual == "weighted_l1"
        self.prior = PRIORS[prior]
        self.prior_weight = prior_weight
        self.blend = BLENDS[blend]
        self.factor = low_resolution_factor
        self.block_size = block_size
        self.encoder = encoder
        self.search = solve.Search(self.energy, solver, block_size, latent_size)

    def terms(self, z, images, weights):
        """`(contextual, perceptual, G(z))` of `[B]` rows."""
        generated = self.generator(z)
        if self.factor:
            contextual = objective.contextual_low_resolution(generated, images, self.factor)
        else:
            contextual = objective.contextual_l1(generated, images, weights)
        if self.prior_weight == 0:
            return contextual, tf.zeros_like(contextual), generated
        # A vector instruction and the scalar code for what is left over round differently: each row has its own.
        logits = tf.repeat(self.discriminator(generated), LANES, axis=1)
        return contextual, self.prior(logits), generated

    def energy(self, z, images, weights):
        """What the search lowers, `[B]`."""
        contextual, perceptual, _ = self.terms(z, images, weights)
        return contextual + self.prior_weight * perceptual

    @tf.function
    def start(self, images, known, weights, seeds):
        candidates = solve.draw(seeds, self.start_draws, self.latent_size)
        if self.encoder:
            candidates = tf.concat([self.encoder(images, known)[:, None], candidates], axis=1)
        if candidates.shape[1] == self.restarts:
            return candidates
        return solve.start(lambda z: self.energy(z, images, weights), candidates, self.restarts)

    @tf.function
    def finish(self, images, known, weights, z):
        contextual, perceptual, generated = self.terms(z, images, weights)
        energy = contextual + self.prior_weight * perceptual
        return Completions(self.blend(images, known, generated), generated, z, energy, contextual, perceptual)

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
        images, known = np.asarray(images, np.float32), np.asarray(known, np.float32)
        if not self.factor:
            images = np.where(known > 0, images, np.float32(0))
        weights = objective.importance(known).numpy() if self.weighted else known
        given = images, known, weights, np.asarray(seeds, np.int64)
        starts = [self.start(*block) for block in self.blocks(*given)]
        starts = np.concatenate(starts)[: len(images)]
        rows = np.repeat(np.arange(len(images)), self.restarts)
        found = []
        turns = list(self.blocks(rows, images[rows], weights[rows], starts.reshape(-1, self.latent_size)))
        for turn, (indices, *block) in enumerate(turns):

            def tell(steps, turn=turn, indices=indices):
                share = (turn + steps / self.steps) / len(turns)
                count = min(self.block_size, len(rows) - turn * self.block_size)
                watch(
                    share,
                    turn,
                    indices[:count],
                    lambda: self.generator(self.search.state.best_point)[:count].numpy(),
                )

            found.append(self.search_block(*block, tell if watch else None, watch_every))
        energies = np.concatenate([energy for _, energy in found])[: len(rows)].reshape(-1, self.restarts)
        points = np.concatenate([z for z, _ in found])[: len(rows)].reshape(*energies.shape, -1)
        z = points[np.arange(len(images)), energies.argmin(axis=1)]
        finished = [self.finish(*block) for block in self.blocks(images, known, weights, z)]
        return Completions(
            *(np.concatenate([part.numpy() for part in parts])[: len(images)] for parts in zip(*finished, strict=True))
        )

    def search_block(self, images, weights, z, tell, every):
        """`(z, energy)` of the best points for one block, as arrays."""
        self.search.restart(z)
        conditions = tf.constant(images), tf.constant(weights)
        taken = 0
        while taken < self.steps:
            if tell:
                tell(taken)
            batch = min(every, self.steps - taken) if tell else self.steps
            self.search.advance(conditions, tf.constant(batch))
            taken += batch
        if tell:
            tell(taken)
        state = self.search.state
        return state.best_point.numpy(), state.best_energy.numpy()

    def blocks(self, *arrays: np.ndarray) -> Iterator[list[np.ndarray]]:
        """`block_size` rows at a time of each array; the last block is filled up with its last row."""
        for first in range(0, len(arrays[0]), self.block_size):
            block = [array[first : first + self.block_size] for array in arrays]
            missing = self.block_size - len(block[0])
            yield [np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) for rows in block]
