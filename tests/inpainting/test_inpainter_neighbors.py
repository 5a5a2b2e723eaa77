"""The answer for an image does not depend on the images beside it, or on who watches."""

import numpy as np
import pytest
from small_inpainters import SIZE, assert_same, digits, many, new_inpainter, rows


@pytest.mark.parametrize(
    ("block_size", "encoded", "deeper_steps"), [(4, False, 9), (8, True, 9), (9, False, 0)]
)
def test_answer_does_not_depend_on_the_neighbours(block_size, encoded, deeper_steps):
    *inputs, _ = many()
    settings = {"encoded": True, "start": "encoder", "solver": "preconditioned"} if encoded else {}
    inpainter = new_inpainter(block_size=block_size, deeper_steps=deeper_steps, **settings)
    together = inpainter.complete(*inputs)
    # Alone, first and last of the 17; among 3; all of them in another order, so in other slots of
    # other blocks.
    for chosen in ([0], [16], [5, 16, 2], np.random.default_rng(1).permutation(17)):
        some = inpainter.complete(*(part[chosen] for part in inputs))
        assert_same(some, rows(together, chosen))


def test_restarts_do_not_depend_on_the_neighbours():
    # 3 restarts in blocks of 4: an image's restarts lie in two blocks, and in others when it comes
    # alone.
    inputs = digits(5)
    inpainter = new_inpainter(restarts=3, steps=6)
    together = inpainter.complete(*inputs)
    for chosen in ([3], [4, 1]):
        assert_same(inpainter.complete(*(part[chosen] for part in inputs)), rows(together, chosen))


# Converges in between, draws entries of z anew at most steps, and asks D in some steps only.
RESTLESS = {
    "steps": 60,
    "patience": 1e-6,
    "tolerance": 0.03,
    "prior_weight": 1.0,
    "prior_every": 4,
}


@pytest.mark.parametrize(("restarts", "block_size"), [(1, 4), (3, 5)])
@pytest.mark.parametrize(
    "solver",
    [
        {"learning_rate": 0.4, "latent_constraint": "stochastic"},
        {"solver": "lbfgs"},
    ],
    ids=["adam", "lbfgs"],
)
def test_converged_rows_and_random_numbers_do_not_depend_on_the_neighbours(
    solver, restarts, block_size
):
    inputs = digits(9)
    inpainter = new_inpainter(**RESTLESS, **solver, restarts=restarts, block_size=block_size)
    together = inpainter.complete(*inputs)
    assert len(set(together.steps.tolist())) > 2
    for chosen in ([8], [2, 0], np.random.default_rng(1).permutation(9)):
        assert_same(inpainter.complete(*(part[chosen] for part in inputs)), rows(together, chosen))
    assert_same(inpainter.complete(*inputs, watch=lambda *_: None, watch_every=7), together)


def test_seed_chooses_the_answer():
    images, known, seeds, together = many()
    other = new_inpainter().complete(images[:4], known[:4], seeds[:4] + [1, 0])
    assert (other.z != together.z[:4]).any(axis=1).all()


def test_watching_changes_nothing():
    *inputs, together = many()
    first = [part[:6] for part in inputs]
    watched = new_inpainter().complete(*first, watch=lambda *seen: seen[3](), watch_every=5)
    assert_same(watched, rows(together, slice(6)))


def test_watch_tells_shares_rows_and_pictures():
    inputs, seen = digits(5), []

    def watch(share, turn, rows, generated):
        seen.append((share, turn, rows.tolist(), generated()))

    inpainter = new_inpainter(restarts=2)
    found = inpainter.complete(*inputs, watch=watch, watch_every=5)
    shares = [share for share, *_ in seen]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert np.allclose(shares[:4], [0, 5 / 36, 10 / 36, 12 / 36])
    # 10 rows in blocks of 4; padding is not shown.
    blocks = {turn: rows for _, turn, rows, _ in seen}
    assert blocks == {0: [0, 0, 1, 1], 1: [2, 2, 3, 3], 2: [4, 4]}
    assert len(seen) == 3 * 4
    for _, turn, _, pictures in seen:
        assert pictures.shape == (len(blocks[turn]), SIZE, SIZE, 1)
    last = seen[-1][3]
    assert min(np.abs(last - found.generated[4]).max(axis=(1, 2, 3))) < 1e-5


def test_what_lies_in_memory_does_not_grow_with_the_images():
    shapes = []
    inpainter = new_inpainter(restarts=3)

    class Watched(np.ndarray):
        """Tells every array made out of it."""

        def __array_finalize__(self, origin):
            shapes.append(self.shape)

    inputs = digits(17)
    inpainter.complete(inputs[0].view(Watched), *inputs[1:])
    assert max(shape[0] for shape in shapes[1:]) <= 12 < 17
