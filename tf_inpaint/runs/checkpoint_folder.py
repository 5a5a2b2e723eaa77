"""A folder of checkpoints: which there are, saving another one, and restoring the newest good one.

TensorFlow keeps a list of the checkpoints in a file named `checkpoint`. If the list is missing or
damaged, or its newest checkpoint is gone, the files in the folder are the list, in the order of
their steps.
"""

import itertools
import logging
import re
import shutil
from pathlib import Path

import tensorflow as tf

from tf_inpaint.files import images
from tf_inpaint.files.paths import to_path
from tf_inpaint.files.url_contents import local_copies
from tf_inpaint.gan.finite_weights import NETWORKS, checkpoint_is_finite

FILE = re.compile(r"(ckpt-[0-9]+)\.(index|data-[0-9]{5}-of-[0-9]{5})")
"""Names of the files of a checkpoint; the number is the step."""
LISTED = re.compile(r'^all_model_checkpoint_paths: "(ckpt-[0-9]+)"$', re.MULTILINE)
"""A line of the list of TensorFlow."""

SIZES = (
    ("ema_generator", 2, 0, "latent_size"),
    ("discriminator", 4, 2, "channels"),
    ("discriminator", 4, 3, "width"),
)
"""Settings that are an axis of the first weight of a network: network, rank, axis, and setting."""

log = logging.getLogger("tf_inpaint")


class CheckpointFolder:
    """The checkpoints of one state, in one folder.

    Args:
        directory: path of the folder, without characters of a pattern (see `literal_path`). A
            folder at a URL can only be read.
        state: variables by part, as `GAN.state`.
        keep: number of checkpoints that stay when one more is saved. None: all.
    """

    def __init__(self, directory: Path, state: dict[str, list[tf.Variable]], keep: int | None):
        self.directory = str(directory)
        self.state = state
        self.keep = keep
        self.checkpoint = tf.train.Checkpoint(**state)

    def names(self) -> tuple[list[str], str]:
        """The names of the checkpoints, the newest last, and what is wrong with the list, if any.

        A checkpoint that is not on a good list comes first: a process was killed when it saved or
        deleted the checkpoint.
        """
        # Find the files.
        folder = to_path(self.directory)
        matches = [FILE.fullmatch(path.name) for path in folder.glob("ckpt-*")]
        existing = sorted({match[1] for match in matches if match}, key=step_of)
        # Read the list.
        listed: list[str] = []
        try:
            listed = LISTED.findall((folder / "checkpoint").read_text("utf-8"))
            problem = "" if listed else "is damaged"
        except FileNotFoundError:
            problem = "is missing"
        except (OSError, ValueError):
            problem = "is damaged"
        if listed and listed[-1] not in existing:
            problem = f"names {listed[-1]}, which is gone"
        if problem:
            return existing, problem
        rest = [name for name in existing if name not in listed]
        return [*rest, *(name for name in listed if name in existing)], ""

    @property
    def checkpoints(self) -> list[str]:
        """The paths of the checkpoints, the newest last."""
        return [f"{self.directory}/{name}" for name in self.names()[0]]

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, or None."""
        return next(reversed(self.checkpoints), None)

    def save(self, checkpoint_number: int) -> str:
        """Saves a checkpoint of this step, and deletes the oldest ones. Returns its path."""
        path = f"{self.directory}/ckpt-{checkpoint_number}"
        self._remove_leftovers()
        self.checkpoint.write(path)
        # A kill after any of these steps leaves a list that names the new checkpoint.
        name = Path(path).name
        names = [other for other in self.names()[0] if other != name] + [name]
        self._write_list(names)
        old = names[: -self.keep] if self.keep else []
        for file in sorted(Path(self.directory).glob("ckpt-*")):
            match = FILE.fullmatch(file.name)
            if match and match[1] in old:
                file.unlink(missing_ok=True)
        if old:
            self._write_list(names[len(old) :])
        return path

    def _remove_leftovers(self) -> None:
        """Removes what TensorFlow was writing when a process was killed or the disk was full."""
        for path in Path(self.directory).glob("ckpt-*"):
            if path.name.endswith("_temp"):
                shutil.rmtree(path, ignore_errors=True)
            elif ".tempstate" in path.name:
                path.unlink(missing_ok=True)

    def _write_list(self, names: list[str]) -> None:
        """Writes the list that TensorFlow reads."""
        lines = [f'all_model_checkpoint_paths: "{name}"\n' for name in names]
        with images.atomic(Path(self.directory) / "checkpoint") as path:
            path.write_text(f'model_checkpoint_path: "{names[-1]}"\n' + "".join(lines))


def step_of(path: str) -> int:
    """The step of a checkpoint: 500 for `folder/ckpt-500`."""
    return int(path.rpartition("-")[2])


def last_step(folder: CheckpointFolder) -> int:
    """The step of the newest checkpoint, or 0 if there is none."""
    return step_of(folder.latest_checkpoint or "-0")


def restore(folder: CheckpointFolder) -> bool:
    """Restores the newest checkpoint that can be used. Returns whether there was one.

    A damaged checkpoint, for example after the disk was full, is skipped with a warning: TensorFlow
    keeps a checksum of every tensor. A checkpoint of a training that failed is skipped too.

    Raises:
        ValueError: the networks of a checkpoint have other shapes than those of the state.
    """
    names, problem = folder.names()
    for name in reversed(names):
        path = f"{folder.directory}/{name}"
        with local_copies(to_path(folder.directory), f"{name}.*") as copies:
            try:
                changed = read(folder, f"{copies}/{name}")
            # A truncated file raises IndexError, other damage other errors.
            except Exception as error:
                reason = (str(error) or type(error).__name__).splitlines()[0]
                log.warning(
                    "Checkpoint %s cannot be used (%s); trying the one before.", path, reason
                )
                continue
        if changed:
            raise ValueError(
                "The settings of a run must fit its checkpoints; received "
                f"{different_settings(changed)} for {path}; restore the config.json of the run."
            )
        if problem:
            log.warning("%s/checkpoint %s; %s is used.", folder.directory, problem, name)
        return True
    return False


def read(folder: CheckpointFolder, path: str) -> dict[str, tuple[list[list[int]], list[list[int]]]]:
    """Reads a checkpoint into the state of a folder, unless their shapes differ.

    Args:
        folder: the folder.
        path: path of the checkpoint on this machine.

    Returns:
        See `changed_shapes`.

    Raises:
        Exception: the checkpoint is damaged.
    """
    shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    changed = changed_shapes(shapes, folder.state)
    if not changed:
        if not checkpoint_is_finite(path):
            raise ValueError("its weights are not finite.")
        status = folder.checkpoint.read(path)
        status.assert_existing_objects_matched()
        status.expect_partial()
    return changed


def changed_shapes(
    saved: dict[str, list[int]], state: dict[str, list[tf.Variable]]
) -> dict[str, tuple[list[list[int]], list[list[int]]]]:
    """The networks whose shapes differ between a checkpoint and a state.

    Args:
        saved: the shapes in the checkpoint, by TensorFlow's names such as
            `discriminator/0/.ATTRIBUTES/VARIABLE_VALUE`.
        state: variables by part.

    Returns:
        The shapes in the checkpoint and those of the state, by network.
    """
    networks = {}
    for part in NETWORKS:
        matches = [re.fullmatch(rf"{part}/(\d+)/.*VARIABLE_VALUE", name) for name in saved]
        names = {int(match[1]): match[0] for match in matches if match}
        there = [list(saved[names[number]]) for number in sorted(names)]
        here = [variable.shape.as_list() for variable in state.get(part, [])]
        if there and here and there != here:
            networks[part] = there, here
    return networks


def different_settings(changed: dict[str, tuple[list[list[int]], list[list[int]]]]) -> str:
    """The settings in which a checkpoint and a state differ, and the first shapes that differ."""

    def first(shapes, rank):
        return next((shape for shape in shapes if len(shape) == rank), [0] * rank)

    # Settings that are the size of an axis.
    settings = []
    for network, rank, axis, setting in SIZES:
        there, here = (first(shapes, rank)[axis] for shapes in changed.get(network, ([], [])))
        if there != here:
            settings.append(f"--{setting}={here}, which is {there} there")
    # Other settings decide the number and the form of the weights.
    if not settings:
        settings = ["another --image_size, --architecture or --discriminator_norm"]
    network, (there, here) = next(iter(changed.items()))
    pairs = itertools.zip_longest(there, here, fillvalue="missing")
    number, pair = next((number, pair) for number, pair in enumerate(pairs) if pair[0] != pair[1])
    example = f"{network}/{number} is {pair[0]} there and {pair[1]} here"
    return f"{' and '.join(settings)} ({example})"
