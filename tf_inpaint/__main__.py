"""The whole story on 5,000 handwritten digits: train a generative adversarial network, complete digits it never saw,
compare that with simpler methods, and export it for TensorFlow Serving.

    python -m tf_inpaint

A few minutes on two CPU cores; stopped and started again, it goes on.
"""

import dataclasses
import json
from pathlib import Path

from tf_inpaint.config import CompleteConfig, EvaluateConfig, ExportConfig, StoryConfig, TrainConfig
from tf_inpaint.config.flags import command, to_json
from tf_inpaint.files import webpage

MASKS = ("center", "left", "random")
METHODS = ("best", "mean", "nearest_pixel", "harmonic", "nearest_image", "conditional_gaussian")
"""Those that need no library beyond the digits' own."""


def run(config: StoryConfig) -> int:
    """Trains, completes, evaluates, exports; returns the exit code of the first command that did not end well, or 0."""
    from tf_inpaint import complete, evaluate, export, train
    from tf_inpaint.exporting import warm_up

    warm_up.require()
    folder = Path(config.run_dir)
    print(f"Training for {config.steps} steps on the embedded digits", flush=True)
    training = TrainConfig(
        run_dir=config.run_dir,
        steps=config.steps,
        encoder_steps=config.encoder_steps,
        seed=config.seed,
        reuse_generated=True,
    )
    code = train.run(training)
    for mask in MASKS:
        if code:
            return code
        print(f"Completing {config.count} digits it has not seen, mask {mask}", flush=True)
        out_dir = str(folder / "completions" / mask)
        code = complete.run(
            CompleteConfig(
                run_dir=config.run_dir,
                out_dir=out_dir,
                mask=mask,
                count=config.count,
                seed=config.seed,
            )
        )
    if code:
        return code
    print("Comparing with simpler methods", flush=True)
    evaluation = EvaluateConfig(
        run_dir=config.run_dir,
        masks=MASKS,
        methods=METHODS,
        measure=("frechet_random",),
        count=config.count,
        seed=config.seed,
    )
    code = evaluate.run(evaluation)
    if code:
        return code
    write_page(folder, config)
    if not is_exported(folder / "export", training):
        print("Exporting it for TensorFlow Serving", flush=True)
        code = export.run(ExportConfig(run_dir=config.run_dir, export_dir=str(folder / "export")))
    print(
        f"""
{table(folder / "evaluation" / "evaluation.json")}
PSNR of the hidden pixels in dB, how often a classifier still reads the digit as what it is, and how far the completions
are, as a set, from real digits (Frechet distance of random features). PSNR likes the mean of all that would fit, which
is a blur, such as the conditional Gaussian's: far from every digit. Look at evaluation.png.

Where to look:
  {folder}/index.html          all of this on one page
  {folder}/samples/            what the generator draws, from noise to digits
  {folder}/training.gif        the same as a film
  {folder}/training.png        losses, accuracies, diversity and distances over training
  {folder}/metrics.csv         the same as numbers
  {folder}/evaluation/         the comparison, as a table and as a picture
  {folder}/export/             a SavedModel that completes digits inside TensorFlow Serving

and for each mask, {", ".join(MASKS)}, such as the first:
  {folder}/completions/{MASKS[0]}/sheet.png     original | masked | generated | completed
  {folder}/completions/{MASKS[0]}/search.gif    the search for z, step by step"""
    )
    return code


def write_page(folder: Path, config: StoryConfig) -> None:
    """index.html."""
    samples = sorted((folder / "samples").glob("*.png"))[-1:]
    curves = "Losses, how well D tells real from drawn, and diversity of the drawings, over the training steps."
    training = [
        (folder / "training.png", curves),
        (folder / "training.gif", "The same drawings as training goes on."),
    ]
    training += [(path, "What the generator draws at the end.") for path in samples]
    sheet = "Digits it never saw, a row each: the original, what the search was given, what it drew, the answer."
    film = "The search, a digit a column: what it was given, what the network draws, the hole filled with that."
    compared = "The same digits under each mask: the original, what the methods were given, and what each made of it."
    completions = {mask: folder / "completions" / mask for mask in MASKS}
    pages = {f"Completions, mask {mask}": path / "index.html" for mask, path in completions.items()}
    evaluation = folder / "evaluation" / "evaluation.md"
    sections = [
        webpage.section(
            "Training", *(webpage.picture(path, caption, folder) for path, caption in training)
        ),
        *(
            webpage.section(
                f"Completions, mask {mask}",
                webpage.picture(path / "sheet.png", sheet, folder),
                webpage.picture(path / "search.gif", film, folder),
            )
            for mask, path in completions.items()
        ),
        webpage.section(
            "Compared with simpler methods",
            webpage.picture(evaluation.with_name("evaluation.png"), compared, folder),
            webpage.markdown(evaluation.read_text(), "Numbers"),
        ),
        webpage.section(
            "More",
            webpage.links(pages | {"Evaluation": evaluation.with_name("index.html")}, folder),
        ),
        *webpage.origin(dataclasses.asdict(config), command("tf_inpaint", config)),
    ]
    sentence = "A network that learnt to draw digits completes ones it has not seen, and is compared with other ways."
    webpage.write(
        folder / "index.html", "Handwritten digits, learnt and completed", sentence, sections
    )


def is_exported(folder: Path, training: TrainConfig) -> bool:
    """Whether one of the versions in a folder is of the run that these settings end in."""
    wanted = json.loads(to_json(training)) | {"step": training.steps}
    abouts = folder.glob("[0-9]*/assets.extra/export.json")
    return any(json.loads(path.read_text())["run"] == wanted for path in abouts)


def table(evaluation: Path) -> str:
    """A line a method, a column a mask."""
    summary = json.loads(evaluation.read_text())["summary"]
    lines = ["".join([" " * 22, *(f"{mask:<22}" for mask in MASKS)])]
    for method, masks in summary.items():
        cells = [
            f"{row['hole_psnr']:4.1f} dB {row['label_agreement']:4.0%} {row['frechet_random']:5.1f}"
            for row in masks.values()
        ]
        lines.append("".join([f"{method:<22}", *(f"{cell:<22}" for cell in cells)]))
    return "\n".join(line.rstrip() for line in lines)


if __name__ == "__main__":
    from tf_inpaint.config.launch import launch

    launch(StoryConfig, run, __doc__)
