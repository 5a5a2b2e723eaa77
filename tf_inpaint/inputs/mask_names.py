"""How a mask file and an image fit together by their names."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import PurePosixPath
from unicodedata import normalize

WITH_MASK = re.compile(r"(.+)[ ._-]mask[0-9]*|mask[ ._-](.+)", re.IGNORECASE | re.DOTALL)
"""Stem of a file that is called a mask, such as `photo_mask`, `photo.mask`, `photo_mask001` and
`mask_photo`."""


class MaskNames:
    """The names of the files of a mask folder, by the images that they fit.

    Args:
        names: paths of the files relative to the folder, with `/`.
    """

    def __init__(self, names: Sequence[str]):
        self.names = names
        # By spelling, for each entry of `spellings`: the files of the image's name, and the files
        # of the image's name with the word mask.
        self.plain: list[dict[str, list[str]]] = [{} for _ in spellings("")]
        self.called_masks: list[dict[str, list[str]]] = [{} for _ in spellings("")]
        for name in names:
            add(self.plain, name, name)
            if image_name := without_mask(name):
                add(self.called_masks, image_name, name)

    def fits(self, key: str, pictures: Collection[str] = ()) -> list[str]:
        """Returns the names of the files that fit an image, all equally well.

        Args:
            key: path of the image relative to the given folder.
            pictures: names of files that are images, and therefore no masks.
        """
        levels = zip(spellings(key), self.plain, self.called_masks, strict=True)
        for text, plain, called_masks in levels:
            names = [name for name in plain.get(text, ()) if name not in pictures]
            names += called_masks.get(text, ())
            if names:
                return names
        return []


def add(index: list[dict[str, list[str]]], image_name: str, name: str) -> None:
    """Adds a file to an index of `MaskNames` under all spellings of the name of its image."""
    for text, names in zip(spellings(image_name), index, strict=True):
        names.setdefault(text, []).append(name)


def spellings(name: str) -> list[str]:
    """Returns the texts by which an image and its mask fit, the closest fit first.

    They are the relative path and the stem, as spelled; in NFC, because a disk may spell accents
    in another way; and without regard to case.

    Args:
        name: relative path of the image or mask.
    """
    path = PurePosixPath(name)
    texts = []
    for text in (str(path.parent / path.stem), path.stem):
        composed = normalize("NFC", text)
        texts += [text, composed, normalize("NFC", composed.casefold())]
    return texts


def without_mask(name: str) -> str:
    """Returns the name of the image of a file that is called a mask; empty: it is not.

    >>> without_mask("x/photo_mask.png"), without_mask("mask_photo.png"), without_mask("photo.png")
    ('x/photo.png', 'photo.png', '')
    """
    path = PurePosixPath(name)
    match = WITH_MASK.fullmatch(path.stem)
    return str(path.parent / ((match[1] or match[2]) + path.suffix)) if match else ""


def masks_among(keys: Sequence[str], names: Iterable[str]) -> set[str]:
    """Returns those of the `names` that are called masks of one of the images.

    Args:
        keys: relative paths of the images.
        names: relative paths of files.
    """
    texts = [set(level) for level in zip(*map(spellings, keys), strict=True)]
    return {
        name
        for name in names
        if (image_name := without_mask(name))
        and any(text in level for text, level in zip(spellings(image_name), texts, strict=True))
    }
