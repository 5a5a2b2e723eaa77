"""What a setting means that leaves a choice to the device: XLA, and the size of a block."""

CPU_BLOCK_SIZE = 8
"""Default number of searches that run together on a CPU."""
GPU_BLOCK_SIZE = 256
"""Default number of searches that run together on a GPU.

On an H200, a step of 1, 8, 64 or 256 searches of 64 x 64 pixels took the same 2.0 to 2.2 ms: the
GPU waits for its kernels to be launched.
"""


def has_gpu() -> bool:
    """Whether TensorFlow can use a GPU. Does not initialize the devices."""
    import tensorflow as tf

    return bool(tf.config.get_visible_devices("GPU"))


def default_block_size(on_gpu: bool | None = None) -> int:
    """The number of searches that run together on a device.

    Args:
        on_gpu: whether the device is a GPU; None: it is the device of this process.
    """
    return GPU_BLOCK_SIZE if (has_gpu() if on_gpu is None else on_gpu) else CPU_BLOCK_SIZE


def compiles(choice: str) -> bool:
    """Whether a setting with the choices `fields.SWITCH` asks for TensorFlow's compiler XLA.

    "auto" is true where there is a GPU. On a CPU, XLA takes longer to compile than it saves, and
    its kernels are slower than those of TensorFlow.

    Args:
        choice: "auto", "true" or "false".
    """
    return choice == "true" or (choice == "auto" and has_gpu())
