"""The memory that the pictures of an exploration take at least."""

from tf_inpaint.config import ExploreConfig, TrainConfig
from tf_inpaint.exploration.picture_sheets import SCREEN, TILE
from tf_inpaint.runs import required_memory


def check_pictures(config: ExploreConfig, trained: TrainConfig) -> None:
    """Checks that the networks and the pictures of an exploration can fit.

    Args:
        config: settings of the exploration.
        trained: settings of the run.

    Raises:
        ValueError: they take more memory than the machine has.
    """
    if config.kind == "film":  # which needs no network
        return
    device = {} if required_memory.has_gpu() else required_memory.weights_part(trained)
    required_memory.check(device | pictures_part(config, trained))


def pictures_part(config: ExploreConfig, trained: TrainConfig) -> dict[str, int]:
    """The z and the enlarged pictures of an exploration, by the settings that decide them."""
    strips = len(config.images) // 2 or config.count or 4
    number, settings = {
        "grid": (config.count or 36, "--count"),
        "walk": ((config.count or 8) * config.frames, "--count, --frames"),
        "interpolation": (strips * config.pictures, "--count, --pictures"),
        "nearest": ((config.count or 10) * (config.neighbours + 1), "--count, --neighbours"),
    }.get(config.kind, (1, ""))
    height = SCREEN if config.kind == "walk" else TILE
    side = -(-height // trained.image_size) * trained.image_size
    # The neighbors of a sample have no z.
    z = 4 * trained.latent_size * (config.count or 10 if config.kind == "nearest" else number)
    return {f"the pictures ({settings})": z + number * side**2 * trained.channels}
