"""Settings of `python -m tf_inpaint`, the whole story on the embedded digits."""

import dataclasses

from tf_inpaint.config.flags import setting, validate


@dataclasses.dataclass(frozen=True)
class StoryConfig:
    """What `python -m tf_inpaint`, the whole story on the embedded digits, needs to know."""

    run_dir: str = setting("runs/story", "directory to write, or to continue")
    steps: int = setting(6000, "training steps", minimum=1)
    encoder_steps: int = setting(1500, "the encoder's training steps", minimum=0)
    count: int = setting(64, "held-out digits to complete", minimum=1)
    seed: int = setting(0, "fixes everything that is drawn", minimum=0, below=2**31)

    def __post_init__(self) -> None:
        validate(self)
