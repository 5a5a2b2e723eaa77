"""Number of searches that run together where a setting leaves it open."""

CPU_BLOCK_SIZE = 8
"""Default block size on a CPU."""
GPU_BLOCK_SIZE = 256
"""Default block size on a GPU.

On an H200, a step of 1, 8, 64 or 256 searches of 64 x 64 pixels took the same 2.0 to 2.2 ms: the
GPU waits for its kernels to be launched.
"""


def default_block_size(has_gpu: bool | None = None) -> int:
    """The block size for a device.

    Args:
        has_gpu: whether the device is a GPU; None: it is the device of this process.
    """
    if has_gpu is None:
        import tensorflow as tf

        has_gpu = bool(tf.config.list_logical_devices("GPU"))
    return GPU_BLOCK_SIZE if has_gpu else CPU_BLOCK_SIZE
