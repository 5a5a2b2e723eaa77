"""The way from `--mask` to `known`: a name, a mask file, or a folder of mask files.

No TensorFlow: the client uses this module too.
"""

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tf_inpaint.compositing import masks
from tf_inpaint.files import image_folders, images, paths
from tf_inpaint.files.file_versions import read_version
from tf_inpaint.inputs.mask_names import MaskNames, masks_among
from tf_inpaint.inputs.mask_reading import MaskReader
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.inputs.seeds import mask_file_index

ALPHA = "alpha"
"""Name of the masks that are the transparency of the images."""
MAX_EXAMINED_MASKS = 8
"""Maximum number of masks of a folder that are read to see whether they look inverted."""
NAMES_WITHOUT_GROWTH = ("lowres", "full", "empty")
"""Names of the masks that have no border between a hole and known pixels."""

log = logging.getLogger("tf_inpaint")


class MaskSource(Protocol):
    """Gives each image its mask."""

    def known_of(self, item: Input, size: tuple[int, int]) -> np.ndarray:
        """Returns `known`, `[H, W, 1]` float32, 1 = the pixel is given, 0 = hole.

        Args:
            item: the image.
            size: height and width of a mask that is drawn. A mask from a file has the file's size.

        Raises:
            ValueError, OSError: the image has no mask file, or the file cannot be read.
        """

    def version(self, item: Input, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """Returns the version of the mask file that an image takes, or None if there is no file.

        Args:
            item: the image.
            recorded: version that was read before; see `file_versions.read_version`.

        Raises:
            ValueError: several files fit the image equally well.
        """

    def label(self, key: str) -> str:
        """Returns how the results call the mask of the image with this key."""

    def pictures_among(self, items: list[Input]) -> list[Input]:
        """Returns the images without those that are masks of others, and warns of inverted masks.

        Call the method before the first call of the others.
        """


class NamedMask:
    """Masks that are drawn by their name, with the seeds of the image.

    Args:
        name: one of `masks.NAMES`.
        seed: seed of the command.
        scale: size of the hole, in (0, 1); None: the default of this mask.
        reader: grows the holes.
    """

    def __init__(
        self, name: str, seed: int, scale: float | None = None, reader: MaskReader | None = None
    ):
        self.name = name
        self.seed = seed
        self.scale = scale
        self.reader = reader or MaskReader()

    def known_of(self, item: Input, size: tuple[int, int]) -> np.ndarray:
        """See `MaskSource`."""
        known = masks.make(self.name, *size, item.seeds(self.seed), self.scale)
        return self.reader.grow(known, self.name)

    def version(self, item: Input, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """See `MaskSource`."""
        return None

    def label(self, key: str) -> str:
        """See `MaskSource`."""
        return self.name

    def pictures_among(self, items: list[Input]) -> list[Input]:
        """See `MaskSource`."""
        return items


class AlphaMask:
    """Masks that are the transparency of the images themselves.

    Args:
        reader: reads the transparency.
    """

    def __init__(self, reader: MaskReader):
        self.reader = reader

    def known_of(self, item: Input, size: tuple[int, int]) -> np.ndarray:
        """See `MaskSource`."""
        return self.reader.read_alpha(item.path, item.key)

    def version(self, item: Input, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """See `MaskSource`."""
        return None  # The version of the image is that of its mask.

    def label(self, key: str) -> str:
        """See `MaskSource`."""
        return ALPHA

    def pictures_among(self, items: list[Input]) -> list[Input]:
        """See `MaskSource`."""
        return items


class MaskFile:
    """One mask file for all images.

    Args:
        path: path of the file, on this machine or of a URL.
        reader: reads the file.

    Raises:
        ValueError: the file cannot be read, or is not black and white.
    """

    def __init__(self, path: Any, reader: MaskReader):
        self.path = path
        self._version = read_version(path, {})
        reader.warn_if_inverted([paths.to_path(path)])
        self.known = reader.read(paths.to_path(path))

    def known_of(self, item: Input, size: tuple[int, int]) -> np.ndarray:
        """See `MaskSource`."""
        return self.known

    def version(self, item: Input, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """See `MaskSource`."""
        return self._version

    def label(self, key: str) -> str:
        """See `MaskSource`."""
        return str(self.path)

    def pictures_among(self, items: list[Input]) -> list[Input]:
        """See `MaskSource`. The mask itself is left out, unless it is the only image."""
        path = paths.real(self.path)
        return [item for item in items if item.path != path] or items


class MaskFolder:
    """A folder with a mask file for every image.

    An image takes the file with its own relative path without suffix, or else with its own stem.
    The word mask may stand before or behind the name, as in `mask_photo.png` and `photo_mask.png`.

    Args:
        folder: path of the folder, on this machine or of a URL. Its subfolders count too.
        reader: reads the files.
        pick_seed: each image takes any of the files instead, by this seed.

    Raises:
        ValueError: with `pick_seed`, the folder has no image file.
    """

    def __init__(self, folder: Any, reader: MaskReader, pick_seed: int | None = None):
        self.folder = folder
        self.reader = reader
        self.pick_seed = pick_seed
        names = image_folders.list_files(folder)
        # Files are picked from one file of each stem. Another list would change all picks.
        self.files = {Path(name).stem: paths.to_path(folder) / name for name in names}
        self.names = MaskNames(names)
        # Names of the files that are images to work on, if masks lie beside them.
        self.pictures: set[str] = set()
        if pick_seed is not None and not self.files:
            raise ValueError(
                f"A mask folder must hold image files; {folder} holds none; check the path."
            )

    def known_of(self, item: Input, size: tuple[int, int]) -> np.ndarray:
        """See `MaskSource`."""
        return self.reader.read(self.file_of(item.key))

    def version(self, item: Input, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
        """See `MaskSource`."""
        try:
            return read_version(self.file_of(item.key), recorded)
        except FileNotFoundError:
            return None

    def label(self, key: str) -> str:
        """See `MaskSource`."""
        return str(self.file_of(key))

    def pictures_among(self, items: list[Input]) -> list[Input]:
        """See `MaskSource`."""
        folder = paths.real(self.folder)
        names = {
            item.file: name
            for item in items
            if item.path and (name := paths.relative(item.path, folder))
        }
        called_masks = masks_among([item.key for item in items], self.names.names)
        if called_masks:
            self.pictures = set(names.values()) - called_masks
        pictures = [item for item in items if names.get(item.file) not in called_masks]
        if len(pictures) < len(items):
            log.info(
                "Not taken as images: %d masks beside their images in %s, such as %s.",
                len(items) - len(pictures),
                self.folder,
                min(called_masks.intersection(names.values())),
            )
        self.reader.warn_if_inverted(self.examined_files(pictures))
        return pictures

    def examined_files(self, items: list[Input]) -> list[Path]:
        """Returns the mask files of at most `MAX_EXAMINED_MASKS` images from all over the list."""
        files = []
        for item in items[:: -(-len(items) // MAX_EXAMINED_MASKS) or 1]:
            with contextlib.suppress(ValueError, OSError):  # The image fails later.
                files.append(self.file_of(item.key))
        return files

    def is_picture(self, path: Path) -> bool:
        """Whether a file of the folder is an image to work on."""
        return path.relative_to(self.folder).as_posix() in self.pictures

    def file_of(self, key: str) -> Path:
        """Returns the mask file of the image with this key.

        Raises:
            FileNotFoundError: no file fits the image.
            ValueError: several files fit equally well.
        """
        if self.pick_seed is not None:
            files = list(self.files.values())
            return files[mask_file_index(self.pick_seed, key, len(files))]
        names = self.names.fits(key, self.pictures)
        if not names:
            raise FileNotFoundError(
                f"A mask folder must hold a file for every image; {self.folder} has none with the "
                f"stem {Path(key).stem!r}; add it."
            )
        if len(names) > 1:
            raise ValueError(
                f"A mask folder must hold one file for every image; {self.folder} has "
                f"{len(names)} that fit {key}, such as {names[0]} and {names[1]}; keep one of them "
                "or give the mask the image's path below its folder."
            )
        return paths.to_path(self.folder) / names[0]


def new_mask_source(
    mask: str,
    seed: int,
    scale: float | None = None,
    invert: bool = False,
    grow_pixels: int = 0,
    pick_from_folder: bool = False,
    max_pixels: int = images.MAX_PIXELS,
) -> NamedMask | AlphaMask | MaskFile | MaskFolder:
    """Returns the source of the masks that `--mask` names.

    Args:
        mask: a name of `masks.NAMES`, `ALPHA`, a file or a folder, which may be a URL. White is
            known.
        seed: seed of the command. Masks are drawn, and files are picked, by this seed.
        scale: size of the hole, in (0, 1); only with a name.
        invert: in a file, white is the hole, or in an image what is opaque; not with a name.
        grow_pixels: radius by which each hole is grown, or shrunk if negative.
        pick_from_folder: an image takes any file of the folder, by the seed, instead of the file
            that fits its path or stem.
        max_pixels: maximum number of pixels of a file; see `images.read`.

    Raises:
        ValueError: a file that is no picture, or a setting that this kind of mask does not have.
        FileNotFoundError: no such name, file or folder.
    """
    reader = MaskReader(invert, grow_pixels, max_pixels)
    if mask in masks.NAMES:
        if grow_pixels and mask in NAMES_WITHOUT_GROWTH:
            raise ValueError(
                "--grow_mask must go with a mask that has a hole and known pixels; received "
                f"{grow_pixels} with {mask}; leave it out."
            )
        if invert:
            raise ValueError(
                f"--invert_mask must go with a mask file or folder; received {mask}; leave it out."
            )
        return NamedMask(mask, seed, scale, reader)
    if scale is not None:
        raise ValueError(
            f"--mask_scale must go with a mask's name; received {scale} with {mask}; leave it out."
        )
    if mask == ALPHA and not pick_from_folder:
        return AlphaMask(reader)
    place = paths.url_path(mask, keep_listings=True) or mask
    if paths.is_dir(place):
        return MaskFolder(place, reader, seed if pick_from_folder else None)
    if paths.exists(place):
        return MaskFile(place, reader)
    raise FileNotFoundError(
        f"--mask must be one of {', '.join([*masks.NAMES, ALPHA])}, a file or a folder; received "
        f"{mask!r}; choose one of these or check the path."
    )
