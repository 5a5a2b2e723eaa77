"""Settings of `export`."""

import dataclasses

from tf_inpaint.config.flags import setting
from tf_inpaint.config.search_config import SearchConfig


@dataclasses.dataclass(frozen=True)
class ExportConfig(SearchConfig):
    """What `export` needs to know; the search's settings are those of the signature `complete`."""

    run_dir: str = setting("", "run made by train; empty: the newest under runs/")
    export_dir: str = setting(
        "", "folder of the model's versions; empty: export/NAME after the run"
    )
    version: int | None = setting(None, "number of the version to write; none: the next", minimum=1)
    samples: int = setting(
        8,
        "answers drawn for each image: how far they differ is its uncertainty; 0: none, and no uncertainty",
        minimum=0,
    )
    fast_steps: int = setting(
        10, "search steps of complete_fast, which starts from the encoder's z", minimum=1
    )
    best_samples: int = setting(16, "answers of which complete_best gives the mean", minimum=2)
    max_pixels: int = setting(
        2**22, "of an encoded image, beyond which it is refused by its header", minimum=1
    )

    def presets(self, encoder: bool) -> dict[str, SearchConfig]:
        """The settings of each signature that completes images, by its name.

        Args:
            encoder: whether there is one to start from.
        """
        fast = {
            "steps": min(self.fast_steps, self.steps or self.fast_steps),
            "restarts": 1,
            "samples": 0,
            "estimate": "best",
        }
        if encoder:
            fast["start"] = "encoder"
        return {
            "complete": self,
            "complete_fast": dataclasses.replace(self, **fast),
            "complete_best": dataclasses.replace(self, samples=self.best_samples, estimate="mean"),
        }
