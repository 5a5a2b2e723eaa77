"""Fill in what is missing from an image with a generative adversarial network.

    import tf_inpaint

    inpainter = tf_inpaint.load("runs/digits")
    completions = inpainter.complete(images, known, seeds)

The public names are imported when they are first used, so that `import tf_inpaint` is fast and the
commands answer `--help` before TensorFlow is loaded.
"""

import importlib

__version__ = "0.1.0"

_EXPORTS = {
    "load": "tf_inpaint.runs.inpainters",
    "Inpainter": "tf_inpaint.inpainting.inpainter",
    "FrozenNetworks": "tf_inpaint.inpainting.frozen_networks",
    "SearchSettings": "tf_inpaint.settings.search_settings",
    "GAN": "tf_inpaint.gan.model",
    "Generator": "tf_inpaint.gan.networks",
    "Discriminator": "tf_inpaint.gan.networks",
    "TrainConfig": "tf_inpaint.config.train_config",
    "CompleteConfig": "tf_inpaint.config.complete_config",
    "EvaluateConfig": "tf_inpaint.config.evaluate_config",
    "Client": "tf_inpaint.serving.signature_client",
}


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_EXPORTS])
