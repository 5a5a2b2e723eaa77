"""Completes images with a model on a TensorFlow Serving server. It needs no TensorFlow.

    python -m tf_inpaint.client --model=faces --mask=center photos/ more/one.jpg
    python -m tf_inpaint.client --url=https://example.org/models --model=faces --mask=holes/ photos/

In a mask file, white is known and black is the hole. Hidden pixels are painted over before an image
is sent, so they never leave this machine. The seed of an image is made from --seed and from the
path of the image below the given folder, or from its name if a file was given: the same image, mask
and seed have the same answer, whatever other images go with them. If the job is killed and started
again, it goes on where it stopped, and does again what was edited or deleted since. Exit code 1:
some images failed; 2: no image could be used.
"""

import dataclasses
import io
import logging
from collections.abc import Sequence
from itertools import chain, islice

from tf_inpaint.config import ClientConfig
from tf_inpaint.files import folders, images
from tf_inpaint.files.folder_lock import locked
from tf_inpaint.files.journal import Journal
from tf_inpaint.files.paths import local_path
from tf_inpaint.inputs.input_versions import forget_edited, inputs_entry
from tf_inpaint.inputs.mask_sources import ALPHA, MaskFolder, MaskSource, new_mask_source
from tf_inpaint.inputs.named_images import Input, files, rename_for_job
from tf_inpaint.inputs.result_files import ResultWriter
from tf_inpaint.inputs.seeds import served_seed
from tf_inpaint.serving.file_requests import FileAnswer, request_completions
from tf_inpaint.serving.signature_client import Client, Completion, EncodedCompletion
from tf_inpaint.serving.thread_pool import map_in_threads

__all__ = ["Client", "Completion", "EncodedCompletion", "run"]

UNCHECKED_SETTINGS = {
    "images",
    "out_dir",
    "overwrite",
    "batch_size",
    "workers",
    "timeout",
    "retries",
    "max_pixels",
}
"""Settings that may change when a job goes on. No completion depends on them."""

log = logging.getLogger("tf_inpaint")


class ClientJob:
    """The output folder of the command. Its journal is completions.jsonl.

    Args:
        config: settings of the job. The job of a folder only goes on with the same settings.

    Attributes:
        done: rows of the images that are complete, by `Input.file`.

    Raises:
        ValueError: the folder holds something else, or cannot be written.
    """

    def __init__(self, config: ClientConfig):
        self.config = config
        self.out_dir = local_path("out_dir", config.out_dir)
        self.writer = ResultWriter(config.format, has_alpha=config.mask != ALPHA)
        self.settings = dataclasses.asdict(config) | {"command": "client"}
        fields = {"file": str, "completion": str}
        self.journal = Journal(self.out_dir / "completions.jsonl", fields)
        self.done: dict[str, dict] = {}
        # Whether the journal has rows that `done` no longer has.
        self._outdated = False
        # Versions of the files of the images that were sent, by `Input.file`.
        self._inputs: dict[str, dict] = {}
        folders.check(self.out_dir, self.settings, UNCHECKED_SETTINGS, config.overwrite)
        if not config.overwrite:
            self.done = {row["file"]: row for row in self.journal.recover()}

    def forget_damaged(self, items: Sequence[Input]) -> None:
        """Removes images from `done` whose completion was deleted or damaged since.

        Args:
            items: the images to check.
        """
        count = len(self.done)
        names = [item.file for item in items]
        completions = folders.completion_paths(self.out_dir, self.done, names)
        folders.forget_damaged(self.out_dir, self.done, completions)
        self._outdated |= len(self.done) < count

    def forget_edited(self, items: Sequence[Input], masks: MaskSource) -> None:
        """Removes images from `done` that were edited since, or whose mask was.

        Args:
            items: the images to check.
            masks: source of the masks that would be used now.
        """
        if forget_edited(self.out_dir, self.done, items, masks):
            self._outdated = True

    def note_inputs(self, items: Sequence[Input], masks: MaskSource) -> None:
        """Notes the versions of the files of images for their rows, before they are read."""
        for item in items:
            self._inputs[item.file] = inputs_entry(item, masks)

    def write(self, answer: FileAnswer) -> None:
        """Writes a completion, then its row in the journal.

        In this order, a row in the journal means that the completion exists.
        """
        if not self.journal.path.exists() or (self.config.overwrite and not self.done):
            completions = [self.out_dir / row["completion"] for row in self.journal.recover()]
            folders.remove_files(self.out_dir, [*completions, self.journal.path])
            folders.begin(self.out_dir, self.settings)
        if self._outdated:
            self.journal.replace(self.done.values())
            self._outdated = False
        item = answer.input
        name = self.writer.write(
            self.out_dir,
            item.stem,
            images.read(io.BytesIO(answer.png)),
            answer.known,
            answer.details,
            answer.png,
        )
        row = {
            "file": item.file,
            "completion": name,
            "mask": self.config.mask,
            "energy": answer.energy,
            "seed": served_seed(self.config.seed, item.key),
            **self._inputs.pop(item.file, {}),
        }
        self.journal.append([row])
        self.done[item.file] = row


def run(config: ClientConfig) -> int:
    """Completes every image; returns 0, or 1 if some images failed."""
    with locked(local_path("out_dir", config.out_dir)):
        return run_locked(config)


def run_locked(config: ClientConfig) -> int:
    """Does what `run` does, in a folder that no other command writes."""
    # Find out what to do.
    job = ClientJob(config)
    masks = find_masks(config)
    over_white = config.mask != ALPHA
    items = files(config.images, job.out_dir, config.max_pixels, over_white)
    items = rename_for_job(masks.pictures_among(items), job.done)
    check_masks(masks)
    if not items:
        raise ValueError(
            f"Image files are required; {', '.join(config.images) or 'none'} holds none; "
            "check the path."
        )
    job.forget_damaged(items)
    job.forget_edited(items, masks)
    todo = [item for item in items if item.file not in job.done]
    # Complete the images.
    failures: dict[str, str] = {}
    with new_client(config) as client:
        check_signature(client, config.signature)
        complete_all(client, job, masks, todo, failures)
    # Report.
    if not any(item.file in job.done for item in items):
        raise ValueError(
            f"At least one image that can be completed is required; none of {len(items)} can; "
            f"{next(iter(failures.values()))}"
        )
    for reason in dict.fromkeys(failures.values()):
        log.error("Not completed: %s", reason)
    print(f"{job.out_dir}: {len(items) - len(failures)} of {len(items)} images are complete")
    return 1 if failures else 0


def find_masks(config: ClientConfig) -> MaskSource:
    """Returns the source of the masks.

    Raises:
        ValueError, FileNotFoundError: see `new_mask_source`.
    """
    if config.mask == "lowres":
        raise ValueError(
            "--mask must leave pixels as they are; received lowres; complete such images without "
            "a server."
        )
    return new_mask_source(
        config.mask,
        config.seed,
        config.mask_scale,
        config.invert_mask,
        config.grow_mask,
        max_pixels=config.max_pixels,
    )


def check_masks(source: MaskSource) -> None:
    """Checks the first mask of a mask folder.

    So a mask that cannot be right is noticed before any image is sent.

    Raises:
        ValueError: the file cannot be read, or is no mask.
    """
    if isinstance(source, MaskFolder):
        masks = (path for path in source.files.values() if not source.is_picture(path))
        for path in islice(masks, 1):
            source.reader.read(path)


def new_client(config: ClientConfig) -> Client:
    """Returns a client with the settings of the command."""
    return Client(
        config.url,
        config.model,
        config.version,
        batch_size=config.batch_size,
        workers=config.workers,
        timeout=config.timeout,
        retries=config.retries,
    )


def check_signature(client: Client, signature: str) -> None:
    """Checks the signature before any image is sent, because a wrong name would fail every image.

    Raises:
        ValueError: there is no such signature, or it does not take encoded images.
    """
    names = [
        name
        for name, tensors in client.metadata().items()
        if "image_bytes" in tensors.get("inputs", {})
    ]
    if signature not in names:
        raise ValueError(
            f"--signature must be one that takes image_bytes, of {client.url} "
            f"{', '.join(sorted(names)) or 'none'}; received {signature!r}; choose one of these "
            "or another model."
        )


def complete_all(
    client: Client,
    job: ClientJob,
    masks: MaskSource,
    todo: Sequence[Input],
    failures: dict[str, str],
) -> None:
    """Sends images in batches, and writes the answers.

    Args:
        client: connection to the server.
        job: receives the completions.
        masks: source of the masks.
        todo: the images.
        failures: receives the reason for each image that failed, by `Input.file`.
    """
    from tqdm import tqdm

    # Send the images in several threads.
    config = job.config

    def request(batch: Sequence[Input]) -> list[FileAnswer]:
        job.note_inputs(batch, masks)
        return list(
            request_completions(batch, masks.known_of, client, config.signature, config.seed)
        )

    starts = range(0, len(todo), config.batch_size)
    batches = [todo[start : start + config.batch_size] for start in starts]
    answers = chain.from_iterable(map_in_threads(request, batches, config.workers))
    # Write the answers in the order of the images.
    try:
        for answer in tqdm(answers, total=len(todo)):
            if answer.error:
                failures[answer.input.file] = answer.error
            else:
                job.write(answer)
    except ConnectionError as error:
        # The client has tried as often as was allowed. The remaining images would fail too.
        remaining = [
            item.file for item in todo if item.file not in job.done and item.file not in failures
        ]
        reason = f"{remaining[0]} and what follows it, {len(remaining)} in all: {error}"
        failures.update(dict.fromkeys(remaining, reason))


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(ClientConfig, run, __doc__, tensorflow=False)
