"""Picture files inside a graph: decoded, framed for the network, restored at their own size and encoded again.

Nothing is raised for what a file holds: it is described in a sentence, and a size is read from the header before a
pixel is decoded. Framed as by `large.squares(framing="image")`.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


def attempt(function: Callable[[tf.Tensor], Any], argument: tf.Tensor, otherwise: Any) -> Any:
    """`function(argument)`, or `otherwise` where that fails: a data set passes over an element that raises."""
    found = tf.data.Dataset.from_tensors(argument).map(function).ignore_errors()
    return found.reduce(otherwise, lambda _, value: value)


def is_png(file: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(file, 0, tf.minimum(len(PNG), tf.strings.length(file))) == PNG


def is_jpeg(file: tf.Tensor) -> tf.Tensor:
    return tf.strings.substr(file, 0, tf.minimum(len(JPEG), tf.strings.length(file))) == JPEG


def size(file: tf.Tensor) -> tf.Tensor:
    """Height and width that a PNG's or JPEG's header claims, int64 `[2]`; 0 where there is none."""

    def of_png(file):
        # int32 would read a claim of 2^31 as negative: bytes, and their places.
        parts = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.uint8), tf.int64)
        places = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
        return tf.reverse(tf.reduce_sum(tf.reshape(parts, [2, 4]) * places, axis=1), [0])

    def of_jpeg(file):
        return tf.cast(tf.image.extract_jpeg_shape(file)[:2], tf.int64)

    nothing = tf.zeros([2], tf.int64)
    return tf.cond(
        is_png(file),
        lambda: attempt(of_png, file, nothing),
        lambda: attempt(of_jpeg, file, nothing),
    )


def width_x_height(shape: tf.Tensor) -> tf.Tensor:
    """An image's sides in words, of its shape [height, width, ...]."""
    return tf.strings.reduce_join(tf.strings.as_string(shape[1::-1]), separator=" x ")


def decoded(file: tf.Tensor, name: str, most_pixels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """RGB levels, int32 `[H, W, 3]`, and what is wrong with the file; the levels are 1 x 1 then.

    Transparency over white, as `images.read` has it. Nothing is turned as EXIF says: the answer is to fit the file.

    Args:
        file: string scalar, PNG or JPEG.
        name: what the sentence calls it.
    """
    sides = size(file)
    claimed = width_x_height(sides)
    # A product could overflow.
    large = tf.cast(sides[0], tf.float64) * tf.cast(sides[1], tf.float64) > most_pixels
    blank = tf.zeros([1, 1, 3], tf.int32)

    def of_png(file):
        levels = tf.cast(tf.io.decode_png(file, channels=4), tf.int32)
        # Below 8 bits a channel the opaque alpha that TensorFlow adds is not 255 but the most of so many bits.
        depth = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 24, 1), tf.uint8)[0], tf.int32)
        most = tf.minimum(tf.bitwise.left_shift(1, depth) - 1, 255)
        alpha = tf.where(tf.reduce_all(levels[..., 3:] == most), 255, levels[..., 3:])
        over = levels[..., :3] * alpha + 255 * (255 - alpha)
        return (over + 127) // 255

    def of_jpeg(file):
        # Fast but other levels than Pillow's otherwise.
        return tf.cast(tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE"), tf.int32)

    def decode():
        nothing = tf.zeros([0, 0, 3], tf.int32)
        return tf.cond(
            is_png(file),
            lambda: attempt(of_png, file, nothing),
            lambda: attempt(of_jpeg, file, nothing),
        )

    some = tf.reduce_all(sides > 0)
    levels = tf.cond(some & ~large, decode, lambda: blank)
    whole = tf.size(levels) > 0
    limit = f"; send one of at most {most_pixels:,} pixels."
    error = tf.where(
        whole, "", f"{name} must be a whole picture; it is damaged or cut off; send it anew."
    )
    error = tf.where(
        large,
        tf.strings.join([f"{name} must not be so large; it claims ", claimed, " pixels", limit]),
        error,
    )
    error = tf.where(
        some,
        error,
        f"{name} must be a whole picture; its header is damaged or cut off; send it anew.",
    )
    known = is_png(file) | is_jpeg(file)
    error = tf.where(
        known,
        error,
        f"{name} must be a PNG or JPEG file; its beginning is that of neither; convert it.",
    )
    levels = tf.cond(whole, lambda: levels, lambda: blank)
    levels.set_shape([None, None, 3])
    return levels, error


def as_gray(levels: tf.Tensor) -> tf.Tensor:
    """Luma of ITU-R 601, rounded as Pillow does: int32 `[H, W, 3]` to `[H, W, 1]`."""
    weighted = levels * tf.constant([19595, 38470, 7471])
    return (tf.reduce_sum(weighted, axis=-1, keepdims=True) + 2**15) // 2**16


def as_known(levels: tf.Tensor) -> tf.Tensor:
    """The mask that RGB levels show, as `masks.from_picture`: float32 `[H, W, 1]`."""
    luma = tf.reduce_sum(levels * tf.constant([299, 587, 114]), axis=-1, keepdims=True)
    return tf.cast(luma >= 128_000, tf.float32)


def opened(
    image_file, mask_file, channels: int, most_pixels: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Levels int32 `[H, W, C]`, known float32 `[H, W, 1]`, and what is wrong with the two files."""
    levels, error = decoded(image_file, "image_bytes", most_pixels)
    mask, mask_error = decoded(mask_file, "mask_bytes", most_pixels)
    error = tf.where(error == "", mask_error, error)
    same = tf.reduce_all(tf.shape(levels) == tf.shape(mask))
    sizes = [width_x_height(tf.shape(each)) for each in (levels, mask)]
    unlike = tf.strings.join(
        [
            "mask_bytes must have the image's size; the image has ",
            sizes[0],
            " and the mask ",
            sizes[1],
            "; resize it.",
        ]
    )
    error = tf.where((error == "") & ~same, unlike, error)
    known = tf.cond(same, lambda: as_known(mask), lambda: tf.ones_like(levels[..., :1], tf.float32))
    return as_gray(levels) if channels == 1 else levels, known, error


def square(picture: tf.Tensor, crop: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Top, left and side of the middle square that the network is shown."""
    height, width = tf.unstack(tf.shape(picture)[:2])
    side = tf.minimum(height, width)
    side = tf.minimum(side, crop) if crop else side
    return (height - side) // 2, (width - side) // 2, side


def unseen(known: tf.Tensor, crop: int) -> tf.Tensor:
    """A sentence about the part of the hole that the network is not shown, string scalar; empty where there is none."""
    top, left, side = square(known, crop)
    inside = [
        (tf.range(count) >= first) & (tf.range(count) < first + side)
        for count, first in zip(tf.unstack(tf.shape(known)[:2]), (top, left), strict=True)
    ]
    places = tf.where((known[..., 0] <= 0) & ~(inside[0][:, None] & inside[1]))

    def between(first, last):
        return tf.strings.join([tf.strings.as_string(first), " to ", tf.strings.as_string(last)])

    def sentence():
        low, high = tf.reduce_min(places, axis=0), tf.reduce_max(places, axis=0)
        return tf.strings.join(
            [
                "mask_bytes must have its hole within the image's middle square, rows ",
                between(top, top + side - 1),
                " and columns ",
                between(left, left + side - 1),
                "; received one with a part outside, in rows ",
                between(low[0], high[0]),
                " and columns ",
                between(low[1], high[1]),
                "; crop the image around the hole first.",
            ]
        )

    return tf.cond(tf.size(places) > 0, sentence, lambda: tf.constant(""))


def framed(
    levels: tf.Tensor, known: tf.Tensor, image_size: int, crop: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The middle square at the network's size: `large.crops`."""
    top, left, side = square(levels, crop)
    painted = tf.where(known > 0, to_float(levels), 0.0)
    # At random values, for the filter's weights can add up to 0.
    noise = tf.random.stateless_uniform(tf.shape(known), [0, 0], 1.0, 2.0)
    both = tf.concat([painted, tf.where(known > 0, 0.0, noise)], axis=-1)[
        top : top + side, left : left + side
    ]
    small = resized(both, image_size)
    shown = tf.cast(tf.abs(small[..., -1:]) < 1e-6, tf.float32)
    return tf.where(shown > 0, tf.clip_by_value(small[..., :-1], -1.0, 1.0), 0.0), shown


def restored(
    levels: tf.Tensor, known: tf.Tensor, generated: tf.Tensor, crop: int, blend: Callable
) -> tf.Tensor:
    """The levels with their hole filled from the square's picture, blended at their own size: `large.restore`.

    Args:
        levels: int32 `[H, W, C]`.
        generated: `[S, S, C]`.
        blend: of `blending`.
    """
    height, width = tf.unstack(tf.shape(levels)[:2])
    top, left, side = square(levels, crop)
    picture = tf.clip_by_value(resized(generated, side), -1.0, 1.0)
    # Beyond the square its border pixels carry on: a blend looks at the hole's neighbours.
    rows = tf.clip_by_value(tf.range(height) - top, 0, side - 1)
    columns = tf.clip_by_value(tf.range(width) - left, 0, side - 1)
    canvas = tf.gather(tf.gather(picture, rows), columns, axis=1)
    box = [ends(tf.reduce_any(known <= 0, axis=[axis, 2])) for axis in (1, 0)]
    (first, last), (begin, end) = box
    part = lambda field: field[None, first:last, begin:end]  # noqa: E731
    blended = blend(part(to_float(levels)), part(known), part(canvas))[0]
    margins = [[first, height - last], [begin, width - end], [0, 0]]
    filled = tf.pad(tf.cast(tf.round((blended + 1.0) * 127.5), tf.int32), margins)
    return tf.where(known > 0, levels, tf.clip_by_value(filled, 0, 255))


def ends(hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """First and behind the last of the hidden places and their neighbours, bool `[N]`; all is one place if none is."""
    places = tf.concat(
        [tf.where(hidden)[:, 0], tf.zeros([tf.cast(~tf.reduce_any(hidden), tf.int32)], tf.int64)], 0
    )
    first, last = tf.reduce_min(places) - 1, tf.reduce_max(places) + 2
    count = tf.size(hidden)
    return tf.maximum(tf.cast(first, tf.int32), 0), tf.minimum(tf.cast(last, tf.int32), count)


def encode(levels: tf.Tensor) -> tf.Tensor:
    """A PNG file, string scalar, of int32 levels `[H, W, C]`."""
    return tf.io.encode_png(tf.cast(levels, tf.uint8), compression=1)


def to_float(levels: tf.Tensor) -> tf.Tensor:
    return tf.cast(levels, tf.float32) / 127.5 - 1.0


def resized(picture: tf.Tensor, side: int | tf.Tensor) -> tf.Tensor:
    """By the same filter as Pillow's bicubic one, to rounding; unchanged at that size already."""
    return tf.image.resize(picture, [side, side], method="bicubic", antialias=True)
