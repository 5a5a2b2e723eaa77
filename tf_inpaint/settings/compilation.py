"""Whether TensorFlow's compiler XLA compiles the steps of a training or of a search."""


def compiles(choice: str) -> bool:
    """Whether a setting with the choices `fields.SWITCH` asks for XLA.

    "auto" is true where there is a GPU. On a CPU, XLA takes longer to compile than it saves, and
    its kernels are slower than those of TensorFlow.

    Args:
        choice: "auto", "true" or "false".
    """
    import tensorflow as tf

    return choice == "true" or (choice == "auto" and bool(tf.config.list_logical_devices("GPU")))
