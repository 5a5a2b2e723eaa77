"""Encoded images inside a graph: decode, frame for the network, restore at their own size, encode.

Nothing is raised because of the content of a file: a sentence describes the error. A size is read
from the header before a pixel is decoded. Images are framed as by `large_images.squares` with
framing "image".
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_inpaint.compositing import masks

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
"""First bytes of a file of each format."""


def attempt(function: Callable[[tf.Tensor], Any], argument: tf.Tensor, otherwise: Any) -> Any:
    """`function(argument)`, or `otherwise` if the function fails.

    A data set can skip an element whose function fails, which other operations cannot.
    """
    results = tf.data.Dataset.from_tensors(argument).map(function).ignore_errors()
    # For one element there is nothing to tune or to optimize, which takes longer than the function,
    # and TensorFlow would warn when the thread that tunes is stopped.
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    results = results.with_options(options)
    return results.reduce(otherwise, lambda _, value: value)


def is_png(file: tf.Tensor) -> tf.Tensor:
    """Whether a file begins as a PNG file, bool scalar."""
    return tf.strings.substr(file, 0, tf.minimum(len(PNG), tf.strings.length(file))) == PNG


def is_jpeg(file: tf.Tensor) -> tf.Tensor:
    """Whether a file begins as a JPEG file, bool scalar."""
    return tf.strings.substr(file, 0, tf.minimum(len(JPEG), tf.strings.length(file))) == JPEG


def header_size(file: tf.Tensor) -> tf.Tensor:
    """Height and width in the header of a PNG or JPEG file, int64 `[2]`; 0 without a header."""

    def of_png(file):
        # Byte by byte, for int32 would read 2^31 as a negative number.
        digits = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.uint8), tf.int64)
        place_values = tf.constant([2**24, 2**16, 2**8, 1], tf.int64)
        return tf.reverse(tf.reduce_sum(tf.reshape(digits, [2, 4]) * place_values, axis=1), [0])

    def of_jpeg(file):
        return tf.cast(tf.image.extract_jpeg_shape(file)[:2], tf.int64)

    nothing = tf.zeros([2], tf.int64)
    return tf.cond(
        is_png(file),
        lambda: attempt(of_png, file, nothing),
        lambda: attempt(of_jpeg, file, nothing),
    )


def width_x_height(shape: tf.Tensor) -> tf.Tensor:
    """The size of an image in words, from its shape [height, width, ...]."""
    # With a slice `shape[1::-1]`, TensorFlow's graph optimizer logs an error and gives up a pass.
    return tf.strings.reduce_join(tf.strings.as_string(tf.gather(shape, [1, 0])), separator=" x ")


def decode(file: tf.Tensor, name: str, max_pixels: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes a file.

    Transparent pixels are put over white, as in `images.read`. The EXIF orientation is ignored: the
    answer must fit the file that was sent.

    Args:
        file: string scalar, PNG or JPEG.
        name: the name of the file in error sentences.
        max_pixels: maximum number of pixels.

    Returns:
        RGB levels, int32 `[H, W, 3]`, 1 x 1 if there is an error; and the error, string scalar.
    """
    sides = header_size(file)
    # In float64, for the product of two int64 could overflow.
    pixels = tf.cast(sides[0], tf.float64) * tf.cast(sides[1], tf.float64)
    is_too_large = pixels > max_pixels
    blank = tf.zeros([1, 1, 3], tf.int32)

    def decode_file():
        nothing = tf.zeros([0, 0, 3], tf.int32)
        return tf.cond(
            is_png(file),
            lambda: attempt(decode_png, file, nothing),
            lambda: attempt(decode_jpeg, file, nothing),
        )

    has_header = tf.reduce_all(sides > 0)
    levels = tf.cond(has_header & ~is_too_large, decode_file, lambda: blank)
    is_whole = tf.size(levels) > 0
    error = tf.where(
        is_whole, "", f"{name} must be a whole picture; it is damaged or cut off; send it anew."
    )
    too_large = tf.strings.join(
        [
            f"{name} must not be so large; it claims ",
            width_x_height(sides),
            f" pixels; send one of at most {max_pixels:,} pixels.",
        ]
    )
    error = tf.where(is_too_large, too_large, error)
    error = tf.where(
        has_header,
        error,
        f"{name} must be a whole picture; its header is damaged or cut off; send it anew.",
    )
    error = tf.where(
        is_png(file) | is_jpeg(file),
        error,
        f"{name} must be a PNG or JPEG file; its beginning is that of neither; convert it.",
    )
    levels = tf.cond(is_whole, lambda: levels, lambda: blank)
    levels.set_shape([None, None, 3])
    return levels, error


def decode_png(file: tf.Tensor) -> tf.Tensor:
    """RGB levels of a PNG file over white, int32 `[H, W, 3]`."""
    colors, alpha = decode_colors_and_alpha(file)
    over_white = colors * alpha + 255 * (255 - alpha)
    return (over_white + 127) // 255


def decode_colors_and_alpha(file: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """RGB levels and alpha of a PNG file, int32 `[H, W, 3]` and `[H, W, 1]`; 255 is opaque."""
    levels = tf.cast(tf.io.decode_png(file, channels=4), tf.int32)
    # Below 8 bits a channel, the opaque alpha that TensorFlow adds is the largest number of so many
    # bits, not 255.
    depth = tf.cast(tf.io.decode_raw(tf.strings.substr(file, 24, 1), tf.uint8)[0], tf.int32)
    opaque = tf.minimum(tf.bitwise.left_shift(1, depth) - 1, 255)
    alpha = tf.where(tf.reduce_all(levels[..., 3:] == opaque), 255, levels[..., 3:])
    return levels[..., :3], alpha


def decode_jpeg(file: tf.Tensor) -> tf.Tensor:
    """RGB levels of a JPEG file, int32 `[H, W, 3]`."""
    # The default method is faster but gives other levels than Pillow.
    return tf.cast(tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE"), tf.int32)


def as_gray(levels: tf.Tensor) -> tf.Tensor:
    """Luma of ITU-R 601, rounded as by Pillow: int32 `[H, W, 3]` to `[H, W, 1]`."""
    weighted = levels * tf.constant([19595, 38470, 7471])
    return (tf.reduce_sum(weighted, axis=-1, keepdims=True) + 2**15) // 2**16


def as_known(levels: tf.Tensor) -> tf.Tensor:
    """The known pixels of an RGB mask, float32 `[H, W, 1]`, as in `masks.from_picture`."""
    luma = tf.reduce_sum(levels * tf.constant([299, 587, 114]), axis=-1, keepdims=True)
    return tf.cast(luma >= 128_000, tf.float32)


def meaning_error(mask_file: tf.Tensor, levels: tf.Tensor) -> tf.Tensor:
    """A sentence about a mask that is not black and white, as in `masks.from_picture`.

    Args:
        mask_file: string scalar, a PNG or JPEG file that can be decoded.
        levels: its RGB levels, int32 `[H, W, 3]`.

    Returns:
        string scalar, empty for a good mask.
    """

    def is_hole_in_alpha(file):
        colors, alpha = decode_colors_and_alpha(file)
        return tf.reduce_any(alpha < 255) & tf.reduce_all(colors == colors[:1, :1])

    nothing = tf.constant(False)
    hole_in_alpha = tf.cond(
        is_png(mask_file), lambda: attempt(is_hole_in_alpha, mask_file, nothing), lambda: nothing
    )
    gray = masks.gray_blocks(levels)
    max_count = masks.MAX_GRAY_SHARE * tf.cast(tf.size(gray), tf.float64)
    is_gray = tf.cast(tf.math.count_nonzero(gray), tf.float64) > max_count
    error = tf.where(tf.reduce_max(levels) == 1, masks.ONE_FOR_WHITE.format("mask_bytes"), "")
    error = tf.where(is_gray, masks.TOO_GRAY.format("mask_bytes"), error)
    return tf.where(hole_in_alpha, masks.HOLE_IN_ALPHA.format("mask_bytes"), error)


def decode_pair(
    image_file: tf.Tensor, mask_file: tf.Tensor, channels: int, max_pixels: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Decodes an image and its mask.

    Args:
        image_file: string scalar, PNG or JPEG.
        mask_file: string scalar, PNG or JPEG, white = known.
        channels: C, 1 or 3.
        max_pixels: maximum number of pixels of each file.

    Returns:
        levels, int32 `[H, W, C]`; known, float32 `[H, W, 1]`; and the error, string scalar.
    """
    levels, image_error = decode(image_file, "image_bytes", max_pixels)
    mask, mask_error = decode(mask_file, "mask_bytes", max_pixels)
    error = tf.where(image_error == "", mask_error, image_error)
    has_same_size = tf.reduce_all(tf.shape(levels) == tf.shape(mask))
    other_size = tf.strings.join(
        [
            "mask_bytes must have the image's size; the image has ",
            width_x_height(tf.shape(levels)),
            " and the mask ",
            width_x_height(tf.shape(mask)),
            "; resize it.",
        ]
    )
    error = tf.where((error == "") & ~has_same_size, other_size, error)
    error = tf.cond(error == "", lambda: meaning_error(mask_file, mask), lambda: error)
    known = tf.cond(
        has_same_size,
        lambda: as_known(mask),
        lambda: tf.ones_like(levels[..., :1], tf.float32),
    )
    return as_gray(levels) if channels == 1 else levels, known, error


def square(picture: tf.Tensor, crop: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Top, left and side of the middle square, the part of an image that the network sees."""
    height, width = tf.unstack(tf.shape(picture)[:2])
    side = tf.minimum(height, width)
    side = tf.minimum(side, crop) if crop else side
    return (height - side) // 2, (width - side) // 2, side


def hole_error(known: tf.Tensor, crop: int) -> tf.Tensor:
    """A sentence about the part of the hole outside the middle square, string scalar.

    The sentence is empty if the whole hole lies in the middle square.

    Args:
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        crop: maximum side of the middle square; 0: the shorter side of the image.
    """
    # Find the hidden pixels outside the square.
    top, left, side = square(known, crop)
    height, width = tf.unstack(tf.shape(known)[:2])
    rows, columns = tf.range(height), tf.range(width)
    inside_rows = (rows >= top) & (rows < top + side)
    inside_columns = (columns >= left) & (columns < left + side)
    inside = inside_rows[:, None] & inside_columns
    outside = tf.where((known[..., 0] <= 0) & ~inside)

    # Name their rows and columns.
    def between(first, last):
        return tf.strings.join([tf.strings.as_string(first), " to ", tf.strings.as_string(last)])

    def sentence():
        low, high = tf.reduce_min(outside, axis=0), tf.reduce_max(outside, axis=0)
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

    return tf.cond(tf.size(outside) > 0, sentence, lambda: tf.constant(""))


def framed(
    levels: tf.Tensor, known: tf.Tensor, image_size: int, crop: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The middle square at the size of the network, as by `large_images.crops`.

    A pixel counts as known only if no hidden pixel went into it.

    Args:
        levels: int32 `[H, W, C]`.
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        image_size: S, the side of the network's images.
        crop: maximum side of the middle square; 0: the shorter side of the image.

    Returns:
        image `[S, S, C]` in [-1, 1], 0 where hidden, and known `[S, S, 1]`, float32.
    """
    top, left, side = square(levels, crop)
    masked = tf.where(known > 0, to_float(levels), 0.0)
    # Hidden pixels get random numbers, for the weights of the filter can add up to 0.
    noise = tf.random.stateless_uniform(tf.shape(known), [0, 0], 1.0, 2.0, alg="philox")
    channels = tf.concat([masked, tf.where(known > 0, 0.0, noise)], axis=-1)
    small = resized(channels[top : top + side, left : left + side], image_size)
    small_known = tf.cast(tf.abs(small[..., -1:]) < 1e-6, tf.float32)
    image = tf.where(small_known > 0, tf.clip_by_value(small[..., :-1], -1.0, 1.0), 0.0)
    return image, small_known


def restored(
    levels: tf.Tensor, known: tf.Tensor, generated: tf.Tensor, crop: int, blend: Callable
) -> tf.Tensor:
    """The image with its hole filled, blended at its own size, as by `large_images.restore`.

    Args:
        levels: int32 `[H, W, C]`.
        known: `[H, W, 1]`, 1 = given, 0 = hole.
        generated: `[S, S, C]`, the generated picture of the middle square.
        crop: as in `framed`.
        blend: a function of `blending`.

    Returns:
        int32 `[H, W, C]`.
    """
    # Enlarge the picture, and continue its border pixels: a blend reads the neighbors of the hole.
    height, width = tf.unstack(tf.shape(levels)[:2])
    top, left, side = square(levels, crop)
    picture = tf.clip_by_value(resized(generated, side), -1.0, 1.0)
    rows = tf.clip_by_value(tf.range(height) - top, 0, side - 1)
    columns = tf.clip_by_value(tf.range(width) - left, 0, side - 1)
    canvas = tf.gather(tf.gather(picture, rows), columns, axis=1)
    # Blend within the bounding box of the hole.
    row_start, row_end = hidden_range(tf.reduce_any(known <= 0, axis=[1, 2]))
    column_start, column_end = hidden_range(tf.reduce_any(known <= 0, axis=[0, 2]))
    box = slice(row_start, row_end), slice(column_start, column_end)
    blended = blend(to_float(levels)[box][None], known[box][None], canvas[box][None])[0]
    margins = [[row_start, height - row_end], [column_start, width - column_end], [0, 0]]
    filled = tf.pad(tf.cast(tf.round((blended + 1.0) * 127.5), tf.int32), margins)
    return tf.where(known > 0, levels, tf.clip_by_value(filled, 0, 255))


def hidden_range(hidden: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Start and end of the range that holds all hidden places and their neighbors.

    Args:
        hidden: bool `[N]`. If nothing is hidden, the range holds the first place.
    """
    first_if_none = tf.zeros([tf.cast(~tf.reduce_any(hidden), tf.int32)], tf.int64)
    places = tf.concat([tf.where(hidden)[:, 0], first_if_none], 0)
    start, end = tf.reduce_min(places) - 1, tf.reduce_max(places) + 2
    count = tf.size(hidden)
    return tf.maximum(tf.cast(start, tf.int32), 0), tf.minimum(tf.cast(end, tf.int32), count)


def encode(levels: tf.Tensor) -> tf.Tensor:
    """A PNG file, string scalar, of int32 levels `[H, W, C]`."""
    return tf.io.encode_png(tf.cast(levels, tf.uint8), compression=1)


def to_float(levels: tf.Tensor) -> tf.Tensor:
    """Levels 0 to 255 as float32 in [-1, 1]."""
    return tf.cast(levels, tf.float32) / 127.5 - 1.0


def resized(picture: tf.Tensor, side: int | tf.Tensor) -> tf.Tensor:
    """The picture `[H, W, C]` as `[side, side, C]`, unchanged if it has that size already.

    The filter is that of Pillow's bicubic resizing, up to rounding.
    """
    return tf.image.resize(picture, [side, side], method="bicubic", antialias=True)
