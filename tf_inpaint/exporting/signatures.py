"""The signatures of an exported model: what TensorFlow Serving runs, as functions of a batch of any size.

    generate          z -> images
    discriminate      images -> logits, probabilities
    encode            images, masks -> z
    complete          images, masks, seeds -> images, uncertainties, energies, steps, errors
    complete_encoded  image_bytes, mask_bytes, seeds -> image_bytes, energies, errors

and the last two for each preset. No variables and no Python: the weights are constants, and requests share nothing.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tf_inpaint.config import ExportConfig
from tf_inpaint.inpainting import batch_graph, encoded_images, masks
from tf_inpaint.inpainting.inpainter import Inpainter
from tf_inpaint.latent_search import posterior
from tf_inpaint.latent_search.energy import PRIORS
from tf_inpaint.runs.inpainters import Networks, new_inpainter
from tf_inpaint.runs.run_directory import Run

graph = functools.partial(tf.function, autograph=False)
"""Rewriting code that asks no tensor for its truth takes longer than tracing it."""


class Model:
    """A run's signatures.

    Args:
        run: its networks.
        config: how it searches.
    """

    def __init__(self, run: Run, config: ExportConfig):
        # Each is one function of the graph, so that its constants are in the file once.
        networks = Networks(run, whole=graph)
        self.generator, self.discriminator, self.encoder = (
            networks.generator,
            networks.discriminator,
            networks.encoder,
        )
        self.trained = run.config
        self.max_pixels, self.block_size = config.max_pixels, config.block_size
        self.asked = config.presets(self.encoder is not None)
        self.presets = {
            name: new_inpainter(preset, networks) for name, preset in self.asked.items()
        }
        side, channels = self.trained.image_size, self.trained.channels
        images = tf.TensorSpec([None, side, side, channels], tf.float32, "images")
        known = tf.TensorSpec([None, side, side, 1], tf.float32, "masks")
        seeds = tf.TensorSpec([None], tf.int32, "seeds")
        files = [tf.TensorSpec([None], tf.string, f"{name}_bytes") for name in ("image", "mask")]
        z = tf.TensorSpec([None, self.trained.latent_size], tf.float32, "z")
        # What all presets share is one function too.
        self.blend = self.presets["complete"].blend
        self.read, self.write = graph(self.read), graph(self.write)
        self.functions: dict[str, tf.types.experimental.ConcreteFunction] = {}
        self.add("generate", self.generate, z)
        self.add("discriminate", self.discriminate, images)
        if self.encoder:
            self.add("encode", self.encode, images, known)
        for name, inpainter in self.presets.items():
            # One function each: the encoded form calls it.
            complete = graph(
                functools.partial(batch_graph.complete, inpainter),
                input_signature=[images, known, seeds],
            )
            self.add(name, functools.partial(self.complete, complete), images, known, seeds)
            self.add(
                f"{name}_encoded", functools.partial(self.complete_encoded, complete), *files, seeds
            )

    def add(
        self, name: str, function: Callable[..., dict[str, tf.Tensor]], *specs: tf.TensorSpec
    ) -> None:
        """A signature; what is sent to it must have the specs' shapes, and one number of rows."""

        def checked(**inputs):
            with tf.control_dependencies(wrong_shapes(inputs, specs)):
                inputs = {key: tf.identity(value) for key, value in inputs.items()}
            for spec in specs:
                inputs[spec.name].set_shape(spec.shape)
            return function(*(inputs[spec.name] for spec in specs))

        # Of unknown shape inside: a shape that is known when the graph is built is not looked at when it runs.
        loose = graph(checked).get_concrete_function(
            **{spec.name: tf.TensorSpec(None, spec.dtype, spec.name) for spec in specs}
        )

        def signature(**inputs):
            return loose(**inputs)

        self.functions[name] = graph(signature).get_concrete_function(
            **{spec.name: spec for spec in specs}
        )

    def generate(self, z):
        return {"images": self.in_blocks(self.generator, z)[0]}

    def discriminate(self, images):
        def both(images):
            logits = self.discriminator(images)
            return logits, tf.sigmoid(logits)

        return dict(zip(("logits", "probabilities"), self.in_blocks(both, images), strict=True))

    def encode(self, images, masks):
        return {"z": self.in_blocks(self.encoder, tf.where(masks > 0, images, 0.0), masks)[0]}

    def in_blocks(self, network, *rows):
        """As the presets are: the last bits of a row depend on how many rows a network is given."""
        return batch_graph.in_blocks(
            lambda *block: tf.nest.flatten(network(*block)), self.block_size, rows
        )

    def complete(self, function, images, masks, seeds):
        found = function(images, masks, seeds)
        return {
            name: getattr(found, name)
            for name in ("images", "uncertainties", "energies", "steps", "errors")
        }

    def complete_encoded(self, function, image_bytes, mask_bytes, seeds):
        images, known, errors = self.read(image_bytes, mask_bytes)
        found = function(images, known, seeds)
        errors = tf.where(errors == "", found.errors, errors)
        files = self.write(image_bytes, mask_bytes, found.generated, errors)
        return {
            "image_bytes": files,
            "energies": tf.where(errors == "", found.energies, 0.0),
            "errors": errors,
        }

    def opened(self, image_file, mask_file):
        return encoded_images.opened(image_file, mask_file, self.trained.channels, self.max_pixels)

    def read(self, image_files, mask_files):
        """What the network is shown of each pair of files, `[B, S, S, C]` and `[B, S, S, 1]`, and what is wrong."""
        side, channels, crop = self.trained.image_size, self.trained.channels, self.trained.crop

        def one(files):
            levels, known, error = self.opened(*files)
            error = tf.where(error == "", encoded_images.unseen(known, crop), error)
            return *encoded_images.framed(levels, known, side, crop), error

        shapes = [tf.TensorSpec([side, side, size], tf.float32) for size in (channels, 1)]
        outputs = *shapes, tf.TensorSpec([], tf.string)
        return tf.map_fn(
            one, (image_files, mask_files), parallel_iterations=1, fn_output_signature=outputs
        )

    def write(self, image_files, mask_files, generated, errors):
        """The completed files, string `[B]`; where there is an error, the file that was sent."""

        def one(row):
            image_file, mask_file, generated, error = row

            def filled():
                # Read again: a batch of large images would not fit into memory.
                levels, known, _ = self.opened(image_file, mask_file)
                return encoded_images.encode(
                    encoded_images.restored(levels, known, generated, self.trained.crop, self.blend)
                )

            return tf.cond(error == "", filled, lambda: image_file)

        rows = image_files, mask_files, generated, errors
        return tf.map_fn(
            one, rows, parallel_iterations=1, fn_output_signature=tf.TensorSpec([], tf.string)
        )

    def settings(self) -> dict[str, dict[str, Any]]:
        """Of each preset what was asked for, and over it what became of it: nothing is left to a default."""
        return {
            name: dataclasses.asdict(self.asked[name]) | resolved(each)
            for name, each in self.presets.items()
        }

    def examples(self, rows: int) -> dict[str, dict[str, np.ndarray]]:
        """Inputs for every signature: the generator's own pictures with a hole each."""
        z = (
            np.random.default_rng(0)
            .uniform(-1, 1, [rows, self.trained.latent_size])
            .astype(np.float32)
        )
        images = self.generator(z).numpy()
        side = self.trained.image_size
        known = np.stack(
            [masks.make("center", side, side, (0, row)) for row in range(rows)]
        ).astype(np.float32)
        seeds = np.arange(rows, dtype=np.int32)
        levels = np.rint((images + 1) * 127.5).clip(0, 255).astype(np.uint8)
        files = [tf.io.encode_png(one).numpy() for one in levels]
        mask_files = [tf.io.encode_png(np.uint8(255 * one)).numpy() for one in known]
        everything = {
            "z": z,
            "images": images,
            "masks": known,
            "seeds": seeds,
            "image_bytes": np.array(files, object),
            "mask_bytes": np.array(mask_files, object),
        }
        return {
            name: {key: everything[key] for key in function.structured_input_signature[1]}
            for name, function in self.functions.items()
        }

    def check(self, path: Path, rows: int, tolerance: float) -> None:
        """Loads what was written, runs every signature and compares it with the library.

        Args:
            tolerance: mean difference, per entry. Known pixels must be equal.

        Raises:
            ValueError: they differ, or it does not run.
        """
        loaded = tf.saved_model.load(str(path)).signatures
        for name, inputs in self.examples(rows).items():
            try:
                found = {
                    key: value.numpy() for key, value in loaded[name](**constants(inputs)).items()
                }
            except tf.errors.OpError as error:
                words = error.message.splitlines()[0]
                raise ValueError(
                    f"An export must run; {name} fails: {words}; nothing is kept."
                ) from None
            if reason := difference(inputs, found, self.expected(name, inputs), tolerance):
                raise ValueError(
                    f"An export must answer as the library does; {name} {reason}; nothing is kept: export again, or "
                    "report it."
                )

    def expected(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What the library gives for these inputs: arrays that the signature's must be close to."""
        if name in self.presets:
            seeds = np.stack([np.zeros_like(inputs["seeds"]), inputs["seeds"]], axis=1)
            found = self.presets[name].complete(inputs["images"], inputs["masks"], seeds)
            none = np.isnan(found.uncertainty)
            return {
                "images": found.images,
                "steps": found.steps,
                "energies": found.energy,
                "uncertainties": np.where(none, -1, found.uncertainty),
            }
        if name.endswith("_encoded"):
            return {}
        given = constants(inputs)
        if name == "generate":
            return {"images": self.generator(given["z"]).numpy()}
        if name == "discriminate":
            logits = self.discriminator(given["images"])
            return {"logits": logits.numpy(), "probabilities": tf.sigmoid(logits).numpy()}
        shown = tf.where(given["masks"] > 0, given["images"], 0.0)
        return {"z": self.encoder(shown, given["masks"]).numpy()}


def resolved(inpainter: Inpainter) -> dict[str, Any]:
    """The settings of which a search's configuration may say "auto" or nothing, and the sampling's numbers."""
    sampling = inpainter.sampling
    numbers = None
    if sampling:
        numbers = {
            "samples": sampling.samples,
            "descent_steps": sampling.cooling_steps,
            "adapt_steps": sampling.adapt_steps,
            "steps": sampling.steps,
            "leapfrog_steps": sampling.leapfrog_steps,
            "temperature": sampling.temperature,
            "temperature_share": posterior.TEMPERATURE_SHARE
            if sampling.temperature is None
            else None,
        }
    return {
        "steps": inpainter.steps,
        "prior": next(name for name, prior in PRIORS.items() if prior is inpainter.energy.prior),
        "samples": sampling.samples if sampling else 0,
        "sampling": numbers,
    }


def difference(inputs, found, expected, tolerance: float) -> str:
    """In words, what a signature's outputs `found` have of other values than they must; empty if nothing."""
    if any(found.get("errors", [])):
        return f"refuses a good row: {next(filter(None, found['errors'])).decode()}"
    for key, wanted in expected.items():
        # A chain that took another turn has an energy further off than its picture: D is steep.
        most = tolerance * (10 * max(1, np.mean(np.abs(wanted))) if key == "energies" else 1)
        if np.shape(found[key]) != np.shape(wanted):
            return f"gives {key} of the shape {list(np.shape(found[key]))}, not {list(np.shape(wanted))}"
        if not (apart := np.mean(np.abs(found[key] - wanted))) <= most:
            return f"gives other {key}, {apart:.2g} apart in the mean"
    if "masks" in inputs and "images" in found:
        given, answers, known = inputs["images"], found["images"], inputs["masks"] > 0
    elif "mask_bytes" in inputs:
        channels = tf.io.decode_png(inputs["image_bytes"][0]).shape[-1]
        read = lambda files: np.stack([tf.io.decode_png(file, channels) for file in files])  # noqa: E731
        given, answers = read(inputs["image_bytes"]), read(found["image_bytes"])
        known = np.stack([tf.io.decode_png(file, 1) for file in inputs["mask_bytes"]]) > 127
    else:
        return ""
    return "changes known pixels" if np.any((given != answers) & known) else ""


def constants(inputs: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {
        key: tf.constant(list(values) if values.dtype == object else values)
        for key, values in inputs.items()
    }


def wrong_shapes(inputs: Mapping[str, tf.Tensor], specs) -> list[tf.Operation]:
    """What raises, naming the input, unless all have their shape and the same number of rows, at least one."""
    checks = []
    rows = tf.shape(inputs[specs[0].name])[:1]
    for spec in specs:
        shape = tf.shape(inputs[spec.name])
        wanted = ", ".join("B" if size is None else str(size) for size in spec.shape)
        sides = tf.constant(spec.shape[1:].as_list(), tf.int32)
        rank = tf.size(shape) == len(spec.shape)
        # Compared only where there is as much to compare.
        fits = tf.cond(
            rank, lambda shape=shape, sides=sides: tf.reduce_all(shape[1:] == sides), lambda: False
        )
        message = f"{spec.name} must have the shape [{wanted}]; received"
        checks.append(tf.raw_ops.Assert(condition=fits, data=[message, shape]))
        same = tf.cond(
            rank,
            lambda shape=shape: (shape[0] > 0) & tf.reduce_all(shape[:1] == rows),
            lambda: False,
        )
        message = f"{spec.name} must have a row for each of {specs[0].name}, and one at least; received the shape"
        checks.append(tf.raw_ops.Assert(condition=same, data=[message, shape]))
    return checks


def save(model: Model, path: Path) -> None:
    """Writes the SavedModel; `complete` is also what is served by default."""
    tf.saved_model.save(
        tf.Module(),
        str(path),
        signatures={"serving_default": model.functions["complete"], **model.functions},
    )
