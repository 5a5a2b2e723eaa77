"""Tests of `lessons.recipes`: their names, and settings of the GAN."""

import inspect

from tf_inpaint.config.lessons_config import RECIPES as NAMES
from tf_inpaint.gan.losses import PAIRS
from tf_inpaint.gan.model import GAN
from tf_inpaint.lessons.recipes import RECIPES


def test_recipes_are_settings_of_the_gan():
    assert tuple(RECIPES) == NAMES
    arguments = inspect.signature(GAN.__init__).parameters
    for recipe in RECIPES.values():
        assert recipe.loss in PAIRS
        assert set(recipe.settings()) <= set(arguments)
