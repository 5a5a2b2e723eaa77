"""Methods that complete images, by name.

A method is a search of this package with the settings of the command, a published search, a
baseline, or a function of the user.
"""

import dataclasses
import functools
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from tf_inpaint.baselines import classical
from tf_inpaint.baselines.conditional_gaussian import conditional_gaussian
from tf_inpaint.baselines.nearest_image import nearest_image
from tf_inpaint.config import EvaluateConfig
from tf_inpaint.config.evaluate_config import (
    BASELINES,
    PUBLISHED_SEARCHES,
    SEARCHES,
    TRAINED_BASELINES,
)
from tf_inpaint.inpainting.frozen_networks import FrozenNetworks
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.settings.search_settings import SearchSettings

TRAINED: dict[str, Callable[[np.ndarray], Callable]] = {
    "nearest_image": nearest_image,
    "conditional_gaussian": conditional_gaussian,
}
"""Functions from training images `[N, H, W, C]` to a baseline, by the name of the baseline."""
REQUIRED_MODULES = {
    "nearest_pixel": "scipy",
    "harmonic": "scipy",
    "biharmonic": "skimage",
    "telea": "cv2",
    "navier_stokes": "cv2",
}
"""Modules of the extra `eval` that baselines need, by the name of the baseline."""
BASELINE_COST, SAMPLING_COST = 5, 200
"""Approximate cost of a baseline and of drawn answers, in search steps per image."""


class CompletedImages(NamedTuple):
    """Completions of some images."""

    completions: np.ndarray
    """`[N, H, W, C]` in [-1, 1]."""
    generated: np.ndarray | None = None
    """`[N, H, W, C]`, G(z) before blending; None for a method that is not G(z) alone."""


class Method(NamedTuple):
    """A method that is ready to complete images."""

    complete: Callable[[np.ndarray, np.ndarray, np.ndarray], CompletedImages]
    """Function that completes images.

    Its arguments are images `[N, H, W, C]` in [-1, 1] with gray in the hole, known `[N, H, W, 1]`,
    and seeds int `[N, 2]`.
    """
    cost: int
    """Approximate cost in search steps per image, for the remaining time in the progress bar."""


def check_modules(names: Sequence[str]) -> None:
    """Checks that the modules that the methods and the table need are installed.

    Raises:
        ValueError: a module is missing.
    """
    required = {REQUIRED_MODULES[name] for name in names if name in REQUIRED_MODULES} | {"scipy"}
    for module in required:
        if importlib.util.find_spec(module) is None:
            raise ValueError(
                f"{module} is required; it is not installed; run pip install 'tf_inpaint[eval]'."
            )


def is_search(name: str) -> bool:
    """Tells whether a method searches with the networks of a run."""
    return name in SEARCHES or name in PUBLISHED_SEARCHES


def names_with_runs(names: Sequence[str], runs: Sequence[str]) -> list[str]:
    """Returns the names of all methods, with `NAME@RUN` for a search in each of several runs."""
    if len(runs) == 1:
        return list(names)
    return [
        name_with_run
        for name in names
        for name_with_run in ([f"{name}@{run}" for run in runs] if is_search(name) else [name])
    ]


def new_method(
    name: str,
    config: EvaluateConfig,
    networks: Mapping[str, FrozenNetworks],
    read_training: Callable[[], np.ndarray],
) -> Method:
    """Returns the method with a name, ready to run.

    Args:
        name: name of `EvaluateConfig.methods`, `NAME@RUN` for a search in one of several runs, or
            `MODULE:FUNCTION` for a function `(images, known) -> completions` of the user.
        config: settings of the search.
        networks: networks by the name of their run.
        read_training: returns training images for the baselines, `[N, H, W, C]` in [-1, 1].

    Raises:
        ValueError: the module or function does not exist, or a baseline needs a missing library.
    """
    method, _, run = name.partition("@")
    if is_search(method):
        settings = search_settings(method, config)
        inpainter = Inpainter(networks[run or next(iter(networks))], settings)
        cost = inpainter.steps * settings.restarts if inpainter.searches else SAMPLING_COST
        return Method(functools.partial(complete_by_search, inpainter), cost)
    if method in TRAINED_BASELINES:
        function = TRAINED[method](read_training())
    elif method in BASELINES:
        function = classical.METHODS[method]
    else:
        function = import_function(method)
    return Method(functools.partial(complete_by_function, function), BASELINE_COST)


def search_settings(method: str, config: SearchSettings) -> SearchSettings:
    """Returns the settings of a search.

    Args:
        method: name of a published search, or `ESTIMATE` or `ESTIMATE_BLEND` for a search with the
            settings of `config`.
        config: settings of the command.
    """
    if method in PUBLISHED_SEARCHES:
        return dataclasses.replace(
            PUBLISHED_SEARCHES[method],
            block_size=config.block_size,
            jit_compile=config.jit_compile,
        )
    settings = {name: getattr(config, name) for name in SearchSettings.__dataclass_fields__}
    estimate, _, blend = method.partition("_")
    return SearchSettings(**settings | {"estimate": estimate, "blend": blend or config.blend})


def complete_by_search(
    inpainter: Inpainter, images: np.ndarray, known: np.ndarray, seeds: np.ndarray
) -> CompletedImages:
    """Completes images by a search; see `Method.complete`."""
    completions = inpainter.complete(images, known, seeds)
    generated = None if inpainter.estimates_mean else completions.generated
    return CompletedImages(completions.images, generated)


def complete_by_function(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    images: np.ndarray,
    known: np.ndarray,
    seeds: np.ndarray,
) -> CompletedImages:
    """Completes images by a function without random numbers; see `Method.complete`.

    Args:
        function: maps images and known to completions `[N, H, W, C]`. Only the hole is used.
        images: `[N, H, W, C]` in [-1, 1], gray in the hole.
        known: `[N, H, W, 1]`, 1 = given, 0 = hole.
        seeds: not used.

    Raises:
        ValueError: the completions have another shape, or are not finite.
    """
    # The function gets copies, for it may write into its arguments.
    completions = np.asarray(function(images.copy(), known.copy()), np.float32)
    if completions.shape != images.shape:
        raise ValueError(
            f"A method must return completions of the images' shape, {images.shape}; {function} "
            f"returned {completions.shape}; correct it."
        )
    completions = np.where(known > 0, images, completions)
    if not np.isfinite(completions).all():
        count = np.sum(~np.isfinite(completions).all(axis=(1, 2, 3)))
        raise ValueError(
            f"A method must return finite completions; {function} returned NaN or infinity in "
            f"{count} of {len(images)}; correct it."
        )
    # Clipped like a written picture, so that the numbers describe the pictures.
    return CompletedImages(completions.clip(-1, 1))


def import_function(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Returns the function `MODULE:FUNCTION`. The current folder is searched for modules too.

    Raises:
        ValueError: the module or the function does not exist.
    """
    module, _, function_name = name.partition(":")
    sys.path.insert(0, "")
    try:
        function = getattr(importlib.import_module(module), function_name)
        if not callable(function):
            raise AttributeError(f"{function_name} is not a function")
        return function
    except (ImportError, AttributeError) as error:
        raise ValueError(
            "--methods must name functions that can be imported, MODULE:FUNCTION; received "
            f"{name}: {error}; correct the name, or start the command in the folder of the module."
        ) from None
    finally:
        sys.path.remove("")
