"""Every setting of a search reaches the part of the search that it is for."""

import numpy as np
import pytest
import tensorflow as tf
from tiny import new_run

from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.latent_search import curvature, objective
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import frozen_networks
from tf_inpaint.settings.search_settings import SearchSettings


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """The frozen networks of a tiny run, with z of 4 entries."""
    run_dir = new_run(tmp_path_factory.mktemp("search_parts") / "run")
    return frozen_networks(run_directory.load(run_dir))


def new_inpainter(networks, factor=None, **settings):
    """Returns an inpainter with the settings of a quick search."""
    defaults = {
        "steps": 12,
        "solver": "adam",
        "start_draws": 3,
        "block_size": 4,
        "blend": "paste",
    }
    return Inpainter(networks, SearchSettings(**defaults | settings), factor)


def test_settings_reach_the_search(networks):
    """An inpainter has the steps, restarts, distance, prior and blend of its settings."""
    settings = {"steps": 7, "restarts": 3, "start_draws": 9, "block_size": 6}
    energy_settings = {
        "contextual": "weighted_l1",
        "prior": "non_saturating",
        "prior_weight": 0.5,
        "blend": "poisson",
        "learning_rate": 0.5,
        "latent_constraint": "none",
    }
    inpainter = new_inpainter(networks, 4, **settings, **energy_settings)
    assert {name: getattr(inpainter, name) for name in settings} == settings
    assert inpainter.weighted and inpainter.latent_size == 4
    assert inpainter.low_resolution_factor == 4
    assert inpainter.energy.prior is objective.non_saturating
    assert inpainter.energy.prior_weight == 0.5
    assert inpainter.blend is not new_inpainter(networks).blend
    random = new_inpainter(networks, restarts=2, start="random")
    assert random.start_draws == 2


@pytest.mark.parametrize(("constraint", "expected"), [("none", 1.5), ("clip", 1.0)])
def test_learning_rate_and_constraint_reach_the_solver(networks, constraint, expected):
    """The first step of Adam is as long as the learning rate, if nothing clips it."""
    inpainter = new_inpainter(networks, learning_rate=0.5, latent_constraint=constraint)
    solver, point = inpainter.search.solver, tf.ones([1, 4])
    _, moved, _ = solver.step(lambda z: -tf.reduce_sum(z, axis=1), point, solver.init(point))
    np.testing.assert_allclose(moved, np.full((1, 4), expected), rtol=1e-5)


def test_search_from_an_encoder_is_shorter(networks):
    """The default number of steps depends on whether an encoder gives the start."""
    encoded = type(networks)(
        networks.generator,
        networks.discriminator,
        networks.latent_size,
        encoder=lambda images, known: tf.zeros([tf.shape(images)[0], 4]),
        parts=networks.parts,
    )
    for searched, settings, steps in [
        (networks, {}, 100),
        (encoded, {}, 10),
        (encoded, {"deeper_steps": 0}, 25),
        (encoded, {"start": "random"}, 100),
        (encoded, {"steps": 7}, 7),
    ]:
        assert new_inpainter(searched, **{"steps": None} | settings).steps == steps
    assert new_inpainter(encoded, 4, steps=None).steps == 100


def test_preconditioned_search_moves_along_the_directions_of_the_generator(networks):
    """If the energy falls alike along all directions, the first step is as long along each."""
    inpainter = new_inpainter(networks, solver="preconditioned", learning_rate=0.01)
    solver = inpainter.search.solver
    directions = curvature.directions(curvature.curvature(networks.generator, 4))
    downhill = tf.constant(np.linalg.solve(directions.T, np.ones(4)), tf.float32)
    point = tf.zeros([1, 4])
    _, moved, _ = solver.step(lambda z: -tf.linalg.matvec(z, downhill), point, solver.init(point))
    np.testing.assert_allclose(moved[0], 0.01 * directions.sum(axis=1), rtol=1e-3)


def test_lbfgs_begins_along_the_metric_of_the_generator(networks):
    """The first direction of L-BFGS is the gradient times the metric."""
    solver = new_inpainter(networks, solver="lbfgs", learning_rate=0.02).search.solver
    downhill = np.array([[0.3, -0.2, 0.5, 0.1]])
    point = tf.zeros([1, 4])
    _, moved, _ = solver.step(
        lambda z: -tf.reduce_sum(z * downhill, axis=1), point, solver.init(point)
    )
    expected = downhill @ curvature.metric(networks.curvature)
    np.testing.assert_allclose(moved, expected * 0.02 / np.sqrt(np.mean(expected**2)), rtol=1e-3)
