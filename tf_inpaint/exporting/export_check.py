"""Checks an export: loads it, runs every signature, and compares the answers with the library."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_inpaint.compositing import masks
from tf_inpaint.exporting.signatures import ServedModel
from tf_inpaint.files.literal_paths import literal_path


def example_inputs(model: ServedModel, rows: int) -> dict[str, dict[str, np.ndarray]]:
    """Inputs for every signature: pictures of the generator, with a hole each.

    Args:
        model: the signatures.
        rows: number of rows of every input.
    """
    z = np.random.default_rng(0).uniform(-1, 1, [rows, model.trained.latent_size])
    z = z.astype(np.float32)
    images = model.generator(z).numpy()
    side = model.trained.image_size
    known = np.stack([masks.make("center", side, side, (0, row)) for row in range(rows)])
    known = known.astype(np.float32)
    levels = np.rint((images + 1) * 127.5).clip(0, 255).astype(np.uint8)
    image_files = [tf.io.encode_png(image).numpy() for image in levels]
    mask_files = [tf.io.encode_png(np.uint8(255 * mask)).numpy() for mask in known]
    values = {
        "z": z,
        "images": images,
        "masks": known,
        "seeds": np.arange(rows, dtype=np.int32),
        "image_bytes": np.array(image_files, object),
        "mask_bytes": np.array(mask_files, object),
    }
    return {
        name: {key: values[key] for key in function.structured_input_signature[1]}
        for name, function in model.functions.items()
    }


def check(model: ServedModel, path: Path, rows: int, tolerance: float) -> None:
    """Runs every signature of a written model and compares it with the library.

    Args:
        model: the signatures.
        path: the folder that `ServedModel.save` wrote.
        rows: number of rows of the inputs.
        tolerance: maximum mean difference of an entry. Known pixels must be equal.

    Raises:
        ValueError: a signature does not run, or its answers differ from those of the library.
    """
    loaded = tf.saved_model.load(str(literal_path(path))).signatures
    for name, inputs in example_inputs(model, rows).items():
        try:
            outputs = loaded[name](**constants(inputs))
            outputs = {key: value.numpy() for key, value in outputs.items()}
        except tf.errors.OpError as error:
            message = error.message.splitlines()[0]
            raise ValueError(
                f"An export must run; {name} fails: {message}; nothing is kept."
            ) from None
        if reason := difference(inputs, outputs, library_outputs(model, name, inputs), tolerance):
            raise ValueError(
                f"An export must answer as the library does; {name} {reason}; nothing is kept: "
                "export again, or report it."
            )


def library_outputs(
    model: ServedModel, name: str, inputs: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The answers of the library to the inputs of a signature, by the names of the outputs."""
    if name in model.presets:
        seeds = np.stack([np.zeros_like(inputs["seeds"]), inputs["seeds"]], axis=1)
        completions = model.presets[name].complete(inputs["images"], inputs["masks"], seeds)
        uncertainty = completions.uncertainty
        return {
            "images": completions.images,
            "steps": completions.steps,
            "energies": completions.energy,
            "uncertainties": np.where(np.isnan(uncertainty), -1, uncertainty),
        }
    if name.endswith("_encoded"):
        return {}
    tensors = constants(inputs)
    if name == "generate":
        return {"images": model.generator(tensors["z"]).numpy()}
    if name == "discriminate":
        logits = model.discriminator(tensors["images"])
        return {"logits": logits.numpy(), "probabilities": tf.sigmoid(logits).numpy()}
    masked = tf.where(tensors["masks"] > 0, tensors["images"], 0.0)
    return {"z": model.encoder(masked, tensors["masks"]).numpy()}


def difference(inputs, outputs, expected, tolerance: float) -> str:
    """In words, how the outputs of a signature differ from the expected ones; empty if they do not.

    Args:
        inputs: of the signature, by name.
        outputs: of the signature, by name.
        expected: values of some of the outputs, by name.
        tolerance: maximum mean difference of an entry. Known pixels must be equal.
    """
    if any(outputs.get("errors", [])):
        return f"refuses a good row: {next(filter(None, outputs['errors'])).decode()}"
    for key, values in expected.items():
        # A chain that took another path differs more in its energy than in its picture: D is steep.
        scale = 10 * max(1, np.mean(np.abs(values))) if key == "energies" else 1
        if np.shape(outputs[key]) != np.shape(values):
            shapes = f"{list(np.shape(outputs[key]))}, not {list(np.shape(values))}"
            return f"gives {key} of the shape {shapes}"
        mean_difference = np.mean(np.abs(outputs[key] - values))
        if not mean_difference <= tolerance * scale:
            return f"gives other {key}, with a mean difference of {mean_difference:.2g}"
    return "changes known pixels" if changes_known_pixels(inputs, outputs) else ""


def changes_known_pixels(inputs, outputs) -> bool:
    """Whether a signature that completes images changes a known pixel."""
    if "masks" in inputs and "images" in outputs:
        before, after, known = inputs["images"], outputs["images"], inputs["masks"] > 0
    elif "mask_bytes" in inputs:
        channels = tf.io.decode_png(inputs["image_bytes"][0]).shape[-1]
        before, after = (
            np.stack([tf.io.decode_png(file, channels) for file in files])
            for files in (inputs["image_bytes"], outputs["image_bytes"])
        )
        known = np.stack([tf.io.decode_png(file, 1) for file in inputs["mask_bytes"]]) > 127
    else:
        return False
    return bool(np.any((before != after) & known))


def constants(inputs: Mapping[str, np.ndarray]) -> dict[str, tf.Tensor]:
    """The inputs as tensors. Arrays of objects hold byte strings."""
    return {
        key: tf.constant(list(values) if values.dtype == object else values)
        for key, values in inputs.items()
    }
