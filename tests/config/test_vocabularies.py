"""Names that the settings offer are the names that the libraries know.

The settings may not import the libraries, for `--help` must answer without TensorFlow.
"""

import dataclasses
import inspect

import pytest

from tf_inpaint.baselines import classical
from tf_inpaint.config import EvaluateConfig, RingConfig, TrainConfig
from tf_inpaint.config.evaluate_config import BASELINES, SEARCHES, TRAINED_BASELINES
from tf_inpaint.config.explore_config import ExploreConfig
from tf_inpaint.config.train_config import AUGMENT, MEASURE
from tf_inpaint.evaluation import methods
from tf_inpaint.exploration import latents
from tf_inpaint.gan import augment, losses, networks
from tf_inpaint.gan.networks import Discriminator
from tf_inpaint.inpainting import inpainter
from tf_inpaint.latent_search import energy, solvers
from tf_inpaint.lessons import recipes
from tf_inpaint.metrics import distances, features
from tf_inpaint.settings.search_settings import BLENDS, SearchSettings


def choices(config_class, name):
    (field,) = (field for field in dataclasses.fields(config_class) if field.name == name)
    return set(field.metadata["choices"])


@pytest.mark.parametrize(
    ("settings", "library"),
    [
        (choices(TrainConfig, "loss"), losses.PAIRS),
        (choices(TrainConfig, "image_size"), networks.STAGES),
        (choices(TrainConfig, "architecture"), networks.ARCHITECTURES),
        (choices(TrainConfig, "discriminator_norm"), Discriminator.NORMALIZATIONS),
        (AUGMENT, augment.POLICIES),
        (
            MEASURE,
            {
                "sliced_wasserstein",
                *(f"{name}_{of}" for name in distances.DISTANCES for of in features.EXTRACTORS),
            },
        ),
        (choices(SearchSettings, "contextual"), energy.DISTANCES),
        (choices(SearchSettings, "prior") - {"auto"}, energy.PRIORS),
        (choices(SearchSettings, "latent_constraint"), solvers.CONSTRAINTS),
        (BLENDS, inpainter.BLENDS),
        (choices(SearchSettings, "blend"), BLENDS),
        (BASELINES, classical.METHODS),
        (TRAINED_BASELINES, methods.TRAINED),
        (RingConfig().recipes, recipes.RECIPES),
        (choices(ExploreConfig, "path"), latents.PATHS),
    ],
    ids=[
        "loss",
        "image_size",
        "architecture",
        "discriminator_norm",
        "augment",
        "measure",
        "contextual",
        "prior",
        "latent_constraint",
        "blends",
        "blend",
        "baselines",
        "trained baselines",
        "recipes",
        "path",
    ],
)
def test_settings_offer_what_the_library_has(settings, library):
    assert set(settings) == set(library)


def test_every_estimate_is_a_method_of_the_evaluation():
    assert choices(SearchSettings, "estimate") < set(SEARCHES)
    assert set(EvaluateConfig().methods) <= {
        *SEARCHES,
        "ancestor",
        "yeh",
        *BASELINES,
        *TRAINED_BASELINES,
    }


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"gradient_penalty": 1.0}, "normalization"),
        ({"r1": 1.0}, "normalization"),
        ({"loss": "hinge", "label_smoothing": 0.1}, "label"),
    ],
)
def test_settings_and_gan_refuse_the_same_combinations(changes, parts):
    from tf_inpaint.gan.model import GAN

    with pytest.raises(ValueError, match=parts):
        TrainConfig(**changes)
    names = inspect.signature(GAN.__init__).parameters
    assert set(changes) <= set(names)
    sizes = {"image_size": 28, "channels": 1, "width": 2, "latent_size": 2}
    with pytest.raises(ValueError, match=parts):
        GAN(networks.Generator(**sizes), Discriminator(**sizes), **changes)
