"""How the picture of a mask becomes `known`, and warnings of masks that may not be meant."""

import dataclasses
import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tf_inpaint.compositing import masks
from tf_inpaint.compositing.mask_growth import grow
from tf_inpaint.files import images

MAX_HOLE_SHARE = 0.6
"""Share of hole pixels above which a mask file may have black and white swapped."""

log = logging.getLogger("tf_inpaint")


@dataclasses.dataclass
class MaskReader:
    """Reads mask files, and changes the masks of files and of names alike."""

    invert: bool = False
    """Whether white is the hole in a file."""
    grow_pixels: int = 0
    """Radius by which each hole is grown, or shrunk if negative; see `mask_growth.grow`."""
    max_pixels: int = images.MAX_PIXELS
    """Maximum number of pixels of a file; see `images.read`."""
    warned: set[str] = dataclasses.field(default_factory=set)
    """Kinds of warnings that were logged before, which are not logged again."""

    def read(self, path: Path) -> np.ndarray:
        """Reads a mask file, warns of a mask without a hole or a known pixel, and grows the hole.

        Args:
            path: path of the file.

        Returns:
            `known`, `[H, W, 1]` float32.

        Raises:
            ValueError: the file cannot be read, or is not black and white.
        """
        known = self.read_file(path)
        self.check(known, f"mask {path}", "white")
        return self.grow(known, path)

    def read_file(self, path: Path, name: str = "") -> np.ndarray:
        """Reads a mask file as it is; see `read`. Errors call it by its `name` or its path."""
        name = name or str(path)
        picture = images.read(path, name, self.max_pixels)
        if images.has_one_color_and_transparency(path):
            raise ValueError(masks.HOLE_IN_ALPHA.format(name))
        return masks.from_picture(picture, self.invert, name)

    def warn_if_inverted(self, paths: Iterable[Path]) -> None:
        """Warns if most of the mask files that can be read look inverted.

        Args:
            paths: paths of the files. A file that cannot be read is left out.
        """
        count = 0
        suspicious: list[tuple[Path, float]] = []
        for path in paths:
            try:
                known = self.read_file(path)
            except (ValueError, OSError):  # Whoever completes the image says so.
                continue
            count += 1
            if looks_inverted(known):
                suspicious.append((path, masks.hole_share(known)))
        if 2 * len(suspicious) > count:
            path, share = suspicious[0]
            meaning, remedy = self.meaning_and_remedy()
            self.warn_once(
                "%d of %d masks look inverted, such as %s: %.0f %% of it is hole, because white is "
                f"{meaning}; if the masks are meant the other way round, {remedy} --invert_mask.",
                len(suspicious),
                count,
                path,
                100 * share,
            )

    def meaning_and_remedy(self) -> tuple[str, str]:
        """Returns what white means in a mask, and what to do with --invert_mask to change it."""
        return ("hole", "drop") if self.invert else ("known", "pass")

    def read_alpha(self, path: Path | None, name: str) -> np.ndarray:
        """Reads the transparency of a picture as a mask; see `from_alpha`.

        Args:
            path: path of a file that `images.read` can read; None: there is no file.
            name: name of the picture.

        Returns:
            `known`, `[H, W, 1]` float32.

        Raises:
            ValueError: the picture has no transparency.
        """
        alpha = path and images.read_alpha(path)
        if alpha is None:
            raise ValueError(
                f"--mask=alpha must go with pictures that have transparency; {path or name} has "
                "none; erase the hole in it, or choose another mask."
            )
        known = from_alpha(alpha, self.invert)
        self.check(known, f"transparency of {name}", "opaque")
        return self.grow(known, name)

    def check(self, known: np.ndarray, name: str, light: str) -> None:
        """Warns of a mask without a hole or without a known pixel.

        Args:
            known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole.
            name: name of the mask in the warning.
            light: what is known if the mask is not inverted.
        """
        share = masks.hole_share(known)
        effect = {0: ", so that nothing is filled", 1: ", so that no pixel is known"}.get(share, "")
        if effect:
            meaning, remedy = self.meaning_and_remedy()
            self.warn_once(
                f"The %s reads as %.0f %% hole{effect}, because {light} is {meaning}; if the mask "
                f"is meant the other way round, {remedy} --invert_mask.",
                name,
                100 * share,
            )

    def grow(self, known: np.ndarray, name: Path | str) -> np.ndarray:
        """Grows the hole of a mask, and warns if no hole or no known pixel is left.

        Args:
            known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole.
            name: name of the mask in the warning.
        """
        grown = grow(known, self.grow_pixels)
        share = masks.hole_share(grown)
        if share in (0, 1) and share != masks.hole_share(known):
            rest = "known pixel" if share else "hole"
            self.warn_once(
                f"--grow_mask=%d leaves no {rest} in the mask %s; a number nearer to 0 changes "
                "the mask less.",
                self.grow_pixels,
                name,
            )
        return grown

    def warn_once(self, message: str, *values) -> None:
        """Logs a warning unless the same message was logged before with any values."""
        if message not in self.warned:
            self.warned.add(message)
            log.warning(message, *values)


def from_alpha(alpha: np.ndarray, invert: bool = False) -> np.ndarray:
    """Returns the mask that a transparency shows. Pixels with an alpha below 128 are hidden.

    Args:
        alpha: uint8 `[H, W, 1]`, 0 = transparent, 255 = opaque.
        invert: the opaque pixels are hidden instead.

    Returns:
        `known`, `[H, W, 1]` float32.
    """
    return ((alpha >= 128) != invert).astype(np.float32)


def looks_inverted(known: np.ndarray) -> bool:
    """Whether a mask may have black and white swapped.

    Its hole has more pixels than most holes have, or surrounds the known pixels.

    Args:
        known: `[H, W, 1]`, 1 = the pixel is given, 0 = hole. With a single value, the answer is no,
            for `MaskReader.check` warns of such masks.
    """
    count, inside = np.count_nonzero(known), np.count_nonzero(known[1:-1, 1:-1])
    return count > 0 and (count < (1 - MAX_HOLE_SHARE) * known.size or inside == count)
