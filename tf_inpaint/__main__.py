"""Tells the whole story on 5,000 handwritten digits: trains a generative adversarial network,
completes digits that it never saw, compares that with simpler methods, and exports the network for
TensorFlow Serving.

    python -m tf_inpaint

A few minutes on two CPU cores. Stopped and started again, it continues.
"""

from pathlib import Path

from tf_inpaint.config import CompleteConfig, EvaluateConfig, ExportConfig, StoryConfig, TrainConfig
from tf_inpaint.story import story_export, story_page, story_text

MASKS = ("center", "left", "random")
"""Masks of the completed digits."""

METHODS = ("best", "mean", "nearest_pixel", "harmonic", "nearest_image", "conditional_gaussian")
"""Methods that need no package but those of the extra `digits`."""


def run(config: StoryConfig) -> int:
    """Trains, completes, evaluates and exports.

    Returns:
        the exit code of the first command that failed, or 0.
    """
    from tf_inpaint.exporting import warm_up

    warm_up.require()
    folder = Path(config.run_dir)
    for step in (train, complete, evaluate, export):
        if code := step(config, folder):
            return code
    print(story_text.summary(folder, MASKS))
    return 0


def train(config: StoryConfig, folder: Path) -> int:
    """Trains on the embedded digits."""
    from tf_inpaint import train as command

    print(f"Training for {config.steps} steps on the embedded digits", flush=True)
    return command.run(training_config(config))


def training_config(config: StoryConfig) -> TrainConfig:
    """The settings of the training."""
    return TrainConfig(
        run_dir=config.run_dir,
        steps=config.steps,
        encoder_steps=config.encoder_steps,
        seed=config.seed,
        reuse_generated=True,
    )


def complete(config: StoryConfig, folder: Path) -> int:
    """Completes held-out digits behind every mask."""
    from tf_inpaint import complete as command

    for mask in MASKS:
        print(f"Completing {config.count} digits it has not seen, mask {mask}", flush=True)
        completion = CompleteConfig(
            run_dir=config.run_dir,
            out_dir=str(folder / "completions" / mask),
            mask=mask,
            count=config.count,
            seed=config.seed,
        )
        if code := command.run(completion):
            return code
    return 0


def evaluate(config: StoryConfig, folder: Path) -> int:
    """Compares the completions with simpler methods, and writes the page of the story."""
    from tf_inpaint import evaluate as command

    print("Comparing with simpler methods", flush=True)
    evaluation = EvaluateConfig(
        run_dir=config.run_dir,
        masks=MASKS,
        methods=METHODS,
        measure=("frechet_random",),
        count=config.count,
        seed=config.seed,
    )
    if code := command.run(evaluation):
        return code
    story_page.write(folder, config, MASKS)
    return 0


def export(config: StoryConfig, folder: Path) -> int:
    """Exports the network, unless an earlier start of this command did so."""
    from tf_inpaint import export as command

    if story_export.is_exported(folder / "export", training_config(config)):
        return 0
    print("Exporting it for TensorFlow Serving", flush=True)
    return command.run(ExportConfig(run_dir=config.run_dir, export_dir=str(folder / "export")))


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(StoryConfig, run, __doc__)
