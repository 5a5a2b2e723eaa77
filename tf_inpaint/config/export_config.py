"""Settings of `export`."""

import dataclasses

from tf_inpaint.config.moved_data_config import trained_run
from tf_inpaint.settings.fields import check_items, setting
from tf_inpaint.settings.search_settings import SearchSettings

PRESETS = ("complete", "complete_fast", "complete_best")
"""Names of the signatures that complete images."""
SIGNATURES = (
    "generate",
    "discriminate",
    "encode",
    *(f"{name}{form}" for name in PRESETS for form in ("", "_encoded")),
)
"""Names of all signatures."""


@dataclasses.dataclass(frozen=True)
class ExportConfig(SearchSettings):
    """Settings of `export`. The settings of the search are those of the signature `complete`."""

    run_dir: str = trained_run()
    export_dir: str = setting(
        "",
        "folder of the versions of the model; empty: export/NAME with the name of the run",
        path=True,
    )
    version: int | None = setting(
        None, "number of the version to write; none: the next number", minimum=1, maximum=2**63 - 1
    )
    samples: int = setting(
        8,
        "number of answers to draw for each image, which give its uncertainty; "
        "0: no answers and no uncertainty",
        minimum=0,
        maximum=4096,
    )
    block_size: int = setting(
        8,
        "number of searches that run together; rounding, and with it the answer, depends on it",
        minimum=1,
        maximum=4096,
    )
    fast_steps: int = setting(
        10,
        "search steps of complete_fast, which starts from the encoder's z",
        minimum=1,
        maximum=10**9,
    )
    best_samples: int = setting(
        16,
        "number of answers whose mean complete_best gives, if the run has no mean estimate",
        minimum=2,
        maximum=4096,
    )
    signatures: tuple[str, ...] = setting(
        (),
        "signatures to export; empty: all that the run can give; complete is also the default "
        "signature, so without it there is none",
    )
    max_pixels: int = setting(
        2**22,
        "maximum number of pixels of an encoded image, checked by its header",
        minimum=1,
        maximum=2**30,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_items("signatures", self.signatures, SIGNATURES)
        if self.jit_compile == "true":
            raise ValueError(
                "--jit_compile must be false or auto for an export, for TensorFlow Serving on a "
                "GPU lacks XLA; received true; leave it out."
            )

    def presets(self, encoder: bool, mean_estimate: bool) -> dict[str, SearchSettings]:
        """The settings of each signature that completes images, by name.

        Args:
            encoder: whether the run has an encoder.
            mean_estimate: whether the run has a mean estimate, which needs no samples.
        """
        estimated = mean_estimate and self.estimate == "mean"
        complete = dataclasses.replace(
            self, jit_compile="false", samples=0 if estimated else self.samples
        )
        best_samples = 0 if mean_estimate else self.best_samples
        fast = {
            "steps": min(self.fast_steps, self.steps or self.fast_steps),
            "deeper_steps": 0,
            "restarts": 1,
            "samples": 0,
            "estimate": "best",
        }
        if encoder:
            fast["start"] = "encoder"
        return {
            "complete": complete,
            "complete_fast": dataclasses.replace(complete, **fast),
            "complete_best": dataclasses.replace(complete, samples=best_samples, estimate="mean"),
        }
