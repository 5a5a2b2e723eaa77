"""Settings of `python -m tf_inpaint`, the whole story on the embedded digits."""

import dataclasses

from tf_inpaint.settings.fields import setting, validate


@dataclasses.dataclass(frozen=True)
class StoryConfig:
    """Settings of `python -m tf_inpaint`, the whole story on the embedded digits."""

    run_dir: str = setting("runs/story", "directory to write, or to continue", path=True)
    steps: int = setting(6000, "number of training steps", minimum=1, maximum=10**9)
    encoder_steps: int = setting(
        1500, "number of training steps of the encoder", minimum=0, maximum=10**9
    )
    count: int = setting(64, "number of held-out digits to complete", minimum=1, maximum=10**7)
    seed: int = setting(0, "seed of all random numbers", minimum=0, below=2**31)

    def __post_init__(self) -> None:
        validate(self)
