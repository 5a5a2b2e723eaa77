"""Completes images by a model on a TensorFlow Serving server. Needs no TensorFlow.

    python -m tf_inpaint.client --model=faces --mask=center photos/ more/one.jpg
    python -m tf_inpaint.client --url=https://example.org/models --model=faces --mask=holes/ photos/

In a mask file white is known, black is the hole. Hidden pixels are painted over before an image is sent: they never
leave this machine. An image's seed is made of --seed and of its path below the folder that was given, or its name
where the file was: the same image, mask and seed have the same answer, whatever other images go with them. Killed and
started again, the job goes on where it stopped. Exit code 1: some images failed; 2: none could be used.
"""

import dataclasses
import io
import logging
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tf_inpaint.config import ClientConfig
from tf_inpaint.files import folders, images
from tf_inpaint.files.journal import Journal
from tf_inpaint.inpainting import masks
from tf_inpaint.inputs.named_images import Input, files, named
from tf_inpaint.serving.signature_client import Client, Completion, EncodedCompletion
from tf_inpaint.serving.thread_pool import in_order

__all__ = ["Client", "Completion", "EncodedCompletion", "run"]

FREE = {"images", "out_dir", "overwrite", "batch_size", "workers", "timeout", "retries"}
"""Settings that may change when a job is continued: none of them changes an image's completion."""

GRAY = np.uint8(127)
"""Painted over what is hidden."""
KnownOf = Callable[[Input, int, int], np.ndarray]
"""`known_of(item, height, width)` gives an image's `known`, `[H, W, 1]`."""

log = logging.getLogger("tf_inpaint")


class Answer(NamedTuple):
    """What came of one image: its completion, or why there is none."""

    input: Input
    png: bytes = b""
    energy: float = 0.0
    error: str = ""


def run(config: ClientConfig) -> int:
    """Completes every image; returns 0, or 1 when some failed."""
    from tqdm import tqdm

    out_dir = Path(config.out_dir)
    settings = dataclasses.asdict(config) | {"command": "client"}
    folders.check(out_dir, settings, FREE, config.overwrite)
    known_of = masks_of(config)
    journal = Journal(out_dir / "completions.jsonl")
    done = {} if config.overwrite else {line["file"]: line for line in journal.recover()}
    items = named(files(config.images, leave_out=out_dir), done)
    if not items:
        raise ValueError(
            f"Image files are required; {', '.join(config.images) or 'none'} holds none; check the path."
        )
    todo = [item for item in items if item.file not in done]
    failures: dict[str, str] = {}
    with new_client(config) as client:
        check_signature(client, config.signature)

        def send(batch):
            return list(answers(batch, known_of, client, config))

        batches = [
            todo[start : start + config.batch_size]
            for start in range(0, len(todo), config.batch_size)
        ]
        try:
            for answer in tqdm(
                chain.from_iterable(in_order(send, batches, config.workers)), total=len(todo)
            ):
                if answer.error:
                    failures[answer.input.file] = answer.error
                    continue
                if not journal.path.exists() or (config.overwrite and not done):
                    folders.begin(out_dir, settings)
                    journal.remove()
                done[answer.input.file] = write(answer, out_dir, journal, config)
        except ConnectionError as error:  # tried as often as was allowed: the rest would fail alike
            left = [
                item.file for item in todo if item.file not in done and item.file not in failures
            ]
            failures |= dict.fromkeys(
                left, f"{left[0]} and what follows it, {len(left)} in all: {error}"
            )
    if not any(item.file in done for item in items):
        raise ValueError(
            f"At least one image that can be completed is required; none of {len(items)} can; "
            f"{next(iter(failures.values()))}"
        )
    for reason in dict.fromkeys(failures.values()):
        log.error("Not completed: %s", reason)
    print(f"{out_dir}: {len(items) - len(failures)} of {len(items)} images are complete")
    return 1 if failures else 0


def new_client(config: ClientConfig) -> Client:
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
    """Asks before any image is sent: a wrong name would fail each of them.

    Raises:
        ValueError: no such signature, or one that does not take encoded images.
    """
    fitting = [
        name for name, each in client.metadata().items() if "image_bytes" in each.get("inputs", {})
    ]
    if signature not in fitting:
        raise ValueError(
            f"--signature must be one that takes image_bytes, of {client.url} {', '.join(sorted(fitting)) or 'none'}; "
            f"received {signature!r}; choose one of these or another model."
        )


def answers(
    batch: list[Input], known_of: KnownOf, client: Client, config: ClientConfig
) -> Iterator[Answer]:
    """What comes of the images of one request; one that cannot be read is left out of it."""
    ready, image_files, mask_files = [], [], []
    for item in batch:
        try:
            given, known = masked(item, known_of)
        except (ValueError, OSError) as error:
            yield Answer(item, error=f"{item.file}: {error}")
            continue
        ready.append(item)
        image_files.append(png(given))
        mask_files.append(png(images.to_uint8(2 * known - 1)))
    if not ready:
        return
    seeds = np.array([seed_of(item, config.seed) for item in ready], np.int32)
    try:
        found = client.complete_encoded(
            image_files, mask_files, seeds, signature=config.signature, errors="return"
        )
    except (ValueError, TimeoutError) as error:
        yield from (Answer(item, error=f"{item.file}: {error}") for item in ready)
        return
    for item, file, energy, error in zip(
        ready, found.image_bytes, found.energies, found.errors, strict=True
    ):
        if not error:
            try:
                images.read(io.BytesIO(file), "the server's answer")
            except ValueError as reason:
                error = str(reason)
        yield Answer(item, file, float(energy), error and f"{item.file}: {error}")


def masked(item: Input, known_of: KnownOf) -> tuple[np.ndarray, np.ndarray]:
    """The image with gray in its hole, uint8 `[H, W, 1 or 3]`, and `known` `[H, W, 1]`, at the image's own size."""
    picture = item.read()
    height, width = picture.shape[:2]
    known = known_of(item, height, width)
    if known.shape[:2] != (height, width):
        raise ValueError(
            f"A mask must have its image's size; the image is {width} x {height} and the mask {known.shape[1]} x "
            f"{known.shape[0]}; resize the mask."
        )
    return np.where(known > 0, picture, GRAY), known


def masks_of(config: ClientConfig) -> KnownOf:
    """What gives each image its mask, `known`, as the settings say.

    Raises:
        ValueError, FileNotFoundError: no such name, file or folder, a file that is no picture, or a setting that
            this kind of mask does not have.
    """
    mask, invert, scale = config.mask, config.invert_mask, config.mask_scale
    if mask == "lowres":
        raise ValueError(
            "--mask must leave pixels as they are; received lowres; complete such images without a server."
        )
    if mask in masks.NAMES:
        if invert:
            raise ValueError(
                f"--invert_mask must go with a mask file or folder; received {mask}; leave it out."
            )
        return lambda item, height, width: masks.make(
            mask, height, width, item.seeds(config.seed), scale
        )
    if scale is not None:
        raise ValueError(
            f"--mask_scale must go with a mask's name; received {scale} with {mask}; leave it out."
        )
    path = Path(mask)
    if not path.exists():
        raise FileNotFoundError(
            f"--mask must be one of {', '.join(masks.NAMES)}, a file or a folder; received {mask!r}; "
            "choose one of these or check the path."
        )
    if not path.is_dir():
        known = checked(masks.from_picture(images.read(path), invert), path, invert)
        return lambda *_: known
    stems = {Path(name).stem: path / name for name in images.list_files(path)}

    def of_its_stem(item: Input, height: int, width: int) -> np.ndarray:
        stem = Path(item.key).stem
        if stem not in stems:
            raise ValueError(
                f"A mask folder must hold a file for every image; {mask} has none with the stem {stem!r}; add it."
            )
        return masks.from_picture(images.read(stems[stem]), invert)

    for first in list(stems.values())[:1]:
        checked(masks.from_picture(images.read(first), invert), first, invert)
    return of_its_stem


def checked(known: np.ndarray, path: Path, invert: bool) -> np.ndarray:
    """The mask, after a warning where it seems to be drawn the other way round."""
    if (share := masks.hole_share(known)) > 0.9:
        remedy = "drop --invert_mask" if invert else "pass --invert_mask"
        log.warning(
            "The mask %s reads as %.0f %% hole; if that is wrong, %s.", path, 100 * share, remedy
        )
    return known


def seed_of(item: Input, seed: int) -> int:
    """An int32 from the command's seed and the image's own; with seed 0 the image's own bit by bit."""
    return int(np.array(zlib.crc32(item.key.encode(), seed), np.uint32).view(np.int32))


def png(picture: np.ndarray) -> bytes:
    """Without loss whatever the file was, and with little effort: a third of the time for a tenth more bytes."""
    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).save(
        file, "PNG", compress_level=1
    )
    return file.getvalue()


def write(answer: Answer, out_dir: Path, journal: Journal, config: ClientConfig) -> dict:
    """One image's completion and then its line in the journal: what is in the journal is there."""
    item = answer.input
    line = {
        "file": item.file,
        "completion": f"{item.stem}.png",
        "mask": config.mask,
        "energy": answer.energy,
        "seed": seed_of(item, config.seed),
    }
    with images.atomic(out_dir / line["completion"]) as path:
        path.write_bytes(answer.png)
    journal.append([line])
    return line


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(ClientConfig, run, __doc__, tensorflow=False)
