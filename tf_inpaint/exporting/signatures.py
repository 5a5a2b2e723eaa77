"""The signatures of an exported model, which TensorFlow Serving runs for batches of any size.

    generate          z -> images
    discriminate      images -> logits, probabilities
    encode            images, masks -> z
    complete          images, masks, seeds -> images, uncertainties, energies, steps, errors
    complete_encoded  image_bytes, mask_bytes, seeds -> image_bytes, energies, errors

and the last two for each preset. There are no variables and no Python in the graph: the weights are
constants, and requests share nothing.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from tf_inpaint.compositing import encoded_images
from tf_inpaint.config import ExportConfig
from tf_inpaint.config.export_config import SIGNATURES
from tf_inpaint.inpainting import batch_graph
from tf_inpaint.inpainting.inpainter import BLENDS, Inpainter
from tf_inpaint.latent_search import posterior
from tf_inpaint.latent_search.energy import PRIORS
from tf_inpaint.runs.inpainters import frozen_networks
from tf_inpaint.runs.run_directory import Run

graph = functools.partial(tf.function, autograph=False)
"""`tf.function` without AutoGraph: no Python `if` here depends on a tensor, and converting the code
takes longer than tracing it."""


class ServedModel:
    """The signatures of a run.

    Args:
        run: the trained networks.
        config: the settings of the searches.

    Attributes:
        functions: the signatures by name.
        presets: the inpainter of each exported signature that completes images, by name.

    Raises:
        ValueError: the settings ask for a signature that the run cannot give.
    """

    def __init__(self, run: Run, config: ExportConfig):
        # Each network is one function of the graph, so that the file holds its constants once.
        networks = frozen_networks(run, wrap=graph)
        self.generator, self.discriminator = networks.generator, networks.discriminator
        self.encoder = networks.encoder
        self.trained = run.config
        self.max_pixels, self.block_size = config.max_pixels, config.block_size
        self.names = chosen_signatures(config, self.encoder is not None)
        presets = config.presets(self.encoder is not None, networks.mean_estimate is not None)
        self.preset_settings = {
            name: settings
            for name, settings in presets.items()
            if self.names.intersection([name, f"{name}_encoded"])
        }
        self.presets = {
            name: Inpainter(networks, settings) for name, settings in self.preset_settings.items()
        }
        # All presets share these functions too.
        self.blend = BLENDS[config.blend]
        self.decode_pairs, self.encode_pairs = graph(self.decode_pairs), graph(self.encode_pairs)
        self.functions: dict[str, tf.types.experimental.ConcreteFunction] = {}
        self.add_signatures()

    def add_signatures(self) -> None:
        """Traces every chosen signature."""
        side, channels = self.trained.image_size, self.trained.channels
        images = tf.TensorSpec([None, side, side, channels], tf.float32, "images")
        masks = tf.TensorSpec([None, side, side, 1], tf.float32, "masks")
        seeds = tf.TensorSpec([None], tf.int32, "seeds")
        files = [tf.TensorSpec([None], tf.string, f"{name}_bytes") for name in ("image", "mask")]
        z = tf.TensorSpec([None, self.trained.latent_size], tf.float32, "z")
        self.add("generate", self.generate, z)
        self.add("discriminate", self.discriminate, images)
        self.add("encode", self.encode, images, masks)
        for name, inpainter in self.presets.items():
            # One function for both forms: the encoded form calls it.
            complete = graph(
                functools.partial(batch_graph.complete, inpainter),
                input_signature=[images, masks, seeds],
            )
            self.add(name, functools.partial(self.complete, complete), images, masks, seeds)
            complete_encoded = functools.partial(self.complete_encoded, complete)
            self.add(f"{name}_encoded", complete_encoded, *files, seeds)

    def add(
        self, name: str, function: Callable[..., dict[str, tf.Tensor]], *specs: tf.TensorSpec
    ) -> None:
        """Adds a signature that checks the shapes of its inputs, if it was chosen."""
        if name not in self.names:
            return

        def checked(**inputs):
            with tf.control_dependencies(shape_assertions(inputs, specs)):
                inputs = {key: tf.identity(value) for key, value in inputs.items()}
            for spec in specs:
                inputs[spec.name].set_shape(spec.shape)
            return function(*(inputs[spec.name] for spec in specs))

        # The shapes are unknown inside: a shape that is known when the graph is built is not
        # checked when the graph runs.
        checked_function = graph(checked).get_concrete_function(
            **{spec.name: tf.TensorSpec(None, spec.dtype, spec.name) for spec in specs}
        )

        def signature(**inputs):
            return checked_function(**inputs)

        self.functions[name] = graph(signature).get_concrete_function(
            **{spec.name: spec for spec in specs}
        )

    def generate(self, z):
        """The signature `generate`."""
        return {"images": self.in_blocks(self.generator, z)[0]}

    def discriminate(self, images):
        """The signature `discriminate`."""

        def logits_and_probabilities(images):
            logits = self.discriminator(images)
            return logits, tf.sigmoid(logits)

        outputs = self.in_blocks(logits_and_probabilities, images)
        return dict(zip(("logits", "probabilities"), outputs, strict=True))

    def encode(self, images, masks):
        """The signature `encode`."""
        return {"z": self.in_blocks(self.encoder, tf.where(masks > 0, images, 0.0), masks)[0]}

    def in_blocks(self, network, *rows):
        """Applies a network in the blocks of the presets.

        The last bits of a row depend on how many rows a network is given.
        """
        return batch_graph.in_blocks(
            lambda *block: tf.nest.flatten(network(*block)), self.block_size, rows
        )

    def complete(self, function, images, masks, seeds):
        """The signature `complete` of one preset."""
        completions = function(images, masks, seeds)
        names = ("images", "uncertainties", "energies", "steps", "errors")
        return {name: getattr(completions, name) for name in names}

    def complete_encoded(self, function, image_bytes, mask_bytes, seeds):
        """The signature `complete_encoded` of one preset."""
        images, known, errors = self.decode_pairs(image_bytes, mask_bytes)
        completions = function(images, known, seeds)
        errors = tf.where(errors == "", completions.errors, errors)
        files = self.encode_pairs(image_bytes, mask_bytes, completions.generated, errors)
        energies = tf.where(errors == "", completions.energies, 0.0)
        return {"image_bytes": files, "energies": energies, "errors": errors}

    def decode_pair(self, image_file, mask_file):
        """Levels, known pixels and error of one pair of files, at their own size."""
        return encoded_images.decode_pair(
            image_file, mask_file, self.trained.channels, self.max_pixels
        )

    def decode_pairs(self, image_files, mask_files):
        """Decodes pairs of files for the network.

        Returns:
            images `[B, S, S, C]`, known `[B, S, S, 1]` and errors, string `[B]`.
        """
        side, channels, crop = self.trained.image_size, self.trained.channels, self.trained.crop

        def decode(files):
            levels, known, error = self.decode_pair(*files)
            error = tf.where(error == "", encoded_images.hole_error(known, crop), error)
            return *encoded_images.framed(levels, known, side, crop), error

        shapes = [tf.TensorSpec([side, side, size], tf.float32) for size in (channels, 1)]
        outputs = *shapes, tf.TensorSpec([], tf.string)
        return tf.map_fn(
            decode, (image_files, mask_files), parallel_iterations=1, fn_output_signature=outputs
        )

    def encode_pairs(self, image_files, mask_files, generated, errors):
        """The completed files, string `[B]`. Where there is an error, the file that was sent."""

        def encode(row):
            image_file, mask_file, generated, error = row

            def completed_file():
                # Decoded a second time: a batch of large images would not fit into memory.
                levels, known, _ = self.decode_pair(image_file, mask_file)
                return encoded_images.encode(
                    encoded_images.restored(levels, known, generated, self.trained.crop, self.blend)
                )

            return tf.cond(error == "", completed_file, lambda: image_file)

        rows = image_files, mask_files, generated, errors
        return tf.map_fn(
            encode, rows, parallel_iterations=1, fn_output_signature=tf.TensorSpec([], tf.string)
        )

    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings of each preset, with every "auto" and every unset value replaced."""
        return {
            name: dataclasses.asdict(self.preset_settings[name]) | resolved_settings(inpainter)
            for name, inpainter in self.presets.items()
        }

    def save(self, path: Path) -> None:
        """Writes the SavedModel. The default signature is `complete`, if it was chosen."""
        signatures = dict(self.functions)
        if "complete" in signatures:
            signatures = {"serving_default": signatures["complete"], **signatures}
        tf.saved_model.save(tf.Module(), str(path), signatures=signatures)


def chosen_signatures(config: ExportConfig, has_encoder: bool) -> set[str]:
    """The names of the signatures to export.

    Args:
        config: the settings.
        has_encoder: whether the run has an encoder.

    Raises:
        ValueError: the settings ask for a signature that the run cannot give.
    """
    if "encode" in config.signatures and not has_encoder:
        raise ValueError(
            "--signatures must name what the run can give; received encode for a run without an "
            "encoder; leave it out, or train with --encoder_steps."
        )
    return set(config.signatures or SIGNATURES) - (set() if has_encoder else {"encode"})


def resolved_settings(inpainter: Inpainter) -> dict[str, Any]:
    """What an inpainter uses for settings that may be unset or "auto", and its sampling."""
    sampling = inpainter.sampling
    sampling_settings = None
    if sampling:
        share = posterior.TEMPERATURE_SHARE if sampling.temperature is None else None
        sampling_settings = {
            "samples": sampling.samples,
            "descent_steps": sampling.cooling_steps,
            "adapt_steps": sampling.adapt_steps,
            "steps": sampling.steps,
            "leapfrog_steps": sampling.leapfrog_steps,
            "temperature": sampling.temperature,
            "temperature_share": share,
        }
    return {
        "steps": inpainter.steps,
        "deeper_steps": inpainter.deeper_steps,
        "prior": next(name for name, prior in PRIORS.items() if prior is inpainter.energy.prior),
        "samples": sampling.samples if sampling else 0,
        "sampling": sampling_settings,
    }


def shape_assertions(
    inputs: Mapping[str, tf.Tensor], specs: Sequence[tf.TensorSpec]
) -> list[tf.Operation]:
    """Operations that fail unless every input has its shape, and all have equally many rows.

    The message names the input. There must be at least one row.
    """
    assertions = []
    first_rows = tf.shape(inputs[specs[0].name])[:1]
    for spec in specs:
        shape = tf.shape(inputs[spec.name])
        sizes = ", ".join("B" if size is None else str(size) for size in spec.shape)
        sides = tf.constant(spec.shape[1:].as_list(), tf.int32)
        has_rank = tf.size(shape) == len(spec.shape)
        # The sizes are compared only where the ranks are equal.
        has_shape = tf.cond(
            has_rank,
            lambda shape=shape, sides=sides: tf.reduce_all(shape[1:] == sides),
            lambda: False,
        )
        message = f"{spec.name} must have the shape [{sizes}]; received"
        assertions.append(tf.raw_ops.Assert(condition=has_shape, data=[message, shape]))
        has_rows = tf.cond(
            has_rank,
            lambda shape=shape: (shape[0] > 0) & tf.reduce_all(shape[:1] == first_rows),
            lambda: False,
        )
        message = (
            f"{spec.name} must have at least one row, and as many rows as {specs[0].name}; "
            "received the shape"
        )
        assertions.append(tf.raw_ops.Assert(condition=has_rows, data=[message, shape]))
    return assertions
