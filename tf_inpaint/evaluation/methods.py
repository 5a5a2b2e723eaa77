"""What completes images, by name: our search, older settings of it, baselines, and a user's own function."""

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from tf_inpaint.baselines import classical
from tf_inpaint.baselines.conditional_gaussian import conditional_gaussian
from tf_inpaint.baselines.nearest_image import nearest_image
from tf_inpaint.config import EvaluateConfig, SearchConfig
from tf_inpaint.config.evaluate_config import BASELINES, LEARNT, OURS, PUBLISHED
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.runs.inpainters import Networks, new_inpainter

LEARNED: dict[str, Callable[[np.ndarray], classical.Method]] = {
    "nearest_image": nearest_image,
    "conditional_gaussian": conditional_gaussian,
}
"""Functions of training images that give a method, by the name of the method."""


class Answer(NamedTuple):
    completions: np.ndarray
    """`[N, H, W, C]` in [-1, 1]."""
    generated: np.ndarray | None = None
    """`[N, H, W, C]`: G(z) before blending, where there is one."""


class Method(NamedTuple):
    complete: Callable[[np.ndarray, np.ndarray, np.ndarray], Answer]
    """images `[N, H, W, C]`, gray in the hole; known `[N, H, W, 1]`; seeds int `[N, 2]`."""
    cost: int
    """Roughly, in search steps an image: for a bar's time to go."""


def new_method(
    name: str,
    config: EvaluateConfig,
    loaded: Mapping[str, Networks],
    training: Callable[[], np.ndarray],
) -> Method:
    """The method called `name`, ready to run.

    Args:
        name: one of the config's names, `NAME@RUN` for the search of one of several runs, or `MODULE:FUNCTION`
            for a function `(images, known) -> completions` of the user's own.
        config: the search's settings.
        loaded: networks by the name of their run.
        training: gives the images that baselines may learn from, `[N, H, W, C]` in [-1, 1].

    Raises:
        ValueError: no such module or function, or a library that a baseline needs is missing.
    """
    method, _, run = name.partition("@")
    if method in PUBLISHED or method in OURS:
        settings = searches(method, config)
        networks = loaded[run] if run else next(iter(loaded.values()))
        inpainter = new_inpainter(settings, networks)
        cost = inpainter.steps * settings.restarts if settings.estimate == "best" else 200
        return Method(functools.partial(search, inpainter), cost)
    if method in LEARNT:
        return Method(plain(LEARNED[method](training())), 5)
    return Method(plain(classical.METHODS[method] if method in BASELINES else load(method)), 5)


def searches(method: str, config: SearchConfig) -> SearchConfig:
    """The settings of the search that goes by this name."""
    if method in PUBLISHED:
        return SearchConfig(**PUBLISHED[method], block_size=config.block_size)
    own = {field: getattr(config, field) for field in SearchConfig.__dataclass_fields__}
    estimate, _, blend = method.partition("_")
    return SearchConfig(**own | {"estimate": estimate, "blend": blend or config.blend})


def search(
    inpainter: Inpainter, images: np.ndarray, known: np.ndarray, seeds: np.ndarray
) -> Answer:
    found = inpainter.complete(images, known, seeds)
    return Answer(found.images, found.generated)


def plain(function: Callable[[np.ndarray, np.ndarray], np.ndarray]):
    """A function `(images, known) -> completions` that draws nothing, among those that do."""

    def complete(images, known, seeds):
        # Copies, for it may write into what it is given.
        completions = np.asarray(function(images.copy(), known.copy()), np.float32)
        if completions.shape != images.shape:
            raise ValueError(
                f"A method must give completions of the images' shape, {images.shape}; {function} gave "
                f"{completions.shape}; correct it."
            )
        completions = np.where(known > 0, images, completions)
        if not np.isfinite(completions).all():
            raise ValueError(
                f"A method must give finite completions; {function} gave NaN or infinity in "
                f"{np.sum(~np.isfinite(completions).all(axis=(1, 2, 3)))} of {len(images)}; correct it."
            )
        # As it is written, so that the numbers are of that.
        return Answer(completions.clip(-1, 1))

    return complete


def load(name: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The function `MODULE:FUNCTION`; modules are also looked for in the current folder."""
    module, _, function = name.partition(":")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), function)
        if not callable(found):
            raise AttributeError(f"{function} is no function")
        return found
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"--methods must name functions that can be imported, MODULE:FUNCTION; received {name}: {error}; "
            "correct the name, or run where the module lies."
        ) from None
    finally:
        sys.path.remove("")
