"""The whole story on 5,000 handwritten digits: train a generative adversarial network, complete digits it never saw.

    python -m tf_inpaint

A few minutes on two CPU cores; stopped and started again, it goes on.
"""

from pathlib import Path

from tf_inpaint.config import CompleteConfig, StoryConfig, TrainConfig

MASKS = ("center", "left", "random")


def run(config: StoryConfig) -> int:
    """Trains and completes; returns the exit code of the first command that did not end well, or 0."""
    from tf_inpaint import complete, train

    folder = Path(config.run_dir)
    print(f"Training for {config.steps} steps on the embedded digits", flush=True)
    code = train.run(
        TrainConfig(
            run_dir=config.run_dir,
            steps=config.steps,
            encoder_steps=config.encoder_steps,
            seed=config.seed,
            reuse_generated=True,
        )
    )
    for mask in MASKS:
        if code:
            return code
        print(f"Completing {config.count} digits it has not seen, mask {mask}", flush=True)
        out_dir = str(folder / "completions" / mask)
        code = complete.run(
            CompleteConfig(run_dir=config.run_dir, out_dir=out_dir, mask=mask, count=config.count, seed=config.seed)
        )
    print(
        f"""
Where to look:
  {folder}/samples/            what the generator draws, from noise to digits
  {folder}/training.gif        the same as a film
  {folder}/training.png        losses, accuracies, diversity and distances over training
  {folder}/metrics.csv         the same as numbers

and for each mask, {", ".join(MASKS)}, such as the first:
  {folder}/completions/{MASKS[0]}/sheet.png     original | masked | generated | completed
  {folder}/completions/{MASKS[0]}/search.gif    the search for z, step by step"""
    )
    return code


if __name__ == "__main__":
    from tf_inpaint.launch import launch

    launch(StoryConfig, run, __doc__)
