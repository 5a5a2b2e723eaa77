"""Groups images into blocks that fit into memory."""

from collections.abc import Iterable, Iterator

from tf_inpaint.inputs.masked_images import Example

MAX_PIXELS = 40_000_000
"""Number of pixels of the images of a block above which the block takes no further image."""
MAX_SEARCH_BLOCKS = 16
"""Number of blocks of searches above which a block takes no further image.

One block of searches has `--block_size` rows. An image that is completed in place may have many
rows."""


def blocks(examples: Iterable[Example], size: int) -> Iterator[list[Example]]:
    """Yields the examples in blocks of `size`. A block of large images may have fewer examples."""
    block: list[Example] = []
    for example in examples:
        block.append(example)
        pixels = sum(member.known.size for member in block)
        rows = sum(len(member.rows[0]) for member in block)
        if len(block) == size or pixels > MAX_PIXELS or rows > MAX_SEARCH_BLOCKS * size:
            yield block
            block = []
    if block:
        yield block
