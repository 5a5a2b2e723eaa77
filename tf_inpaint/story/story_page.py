"""`index.html` of the story: training, completions, comparison and links on one page."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from tf_inpaint.config import StoryConfig
from tf_inpaint.config.flags import command
from tf_inpaint.evaluation.summary_tables import report_html
from tf_inpaint.files import webpage

CURVES = (
    "Losses, how well D tells real from generated digits, and diversity, over the training steps."
)
TRAINING_FILM = "The same generated digits as the training goes on."
SAMPLES = "What the generator draws at the end."
SHEET = (
    "Digits it never saw, a row for each: the original, what the search was given, what the "
    "generator drew, the answer."
)
SEARCH_FILM = (
    "The search, a column for each digit: what it was given, what the generator draws, the filled "
    "hole."
)
COMPARISON = (
    "The same digits under each mask: the original, what the methods were given, and their "
    "completions."
)


def write(folder: Path, config: StoryConfig, masks: Sequence[str]) -> None:
    """Writes `index.html` into the folder of the run."""
    completions = {mask: folder / "completions" / mask for mask in masks}
    evaluation = folder / "evaluation" / "evaluation.json"
    pages = {f"Completions, mask {mask}": path / "index.html" for mask, path in completions.items()}
    pages["Evaluation"] = evaluation.with_name("index.html")
    sections = [
        training_section(folder),
        *(completion_section(mask, path, folder) for mask, path in completions.items()),
        webpage.section(
            "Compared with simpler methods",
            webpage.picture(evaluation.with_name("evaluation.png"), COMPARISON, folder),
            report_html(json.loads(evaluation.read_text())),
        ),
        webpage.section("More", webpage.links(pages, folder)),
        *webpage.origin(dataclasses.asdict(config), command("tf_inpaint", config)),
    ]
    sentence = (
        "A network that learned to draw digits completes digits that it has not seen, and is "
        "compared with other methods."
    )
    title = "Handwritten digits, learned and completed"
    webpage.write(folder / "index.html", title, sentence, sections)


def training_section(folder: Path) -> str:
    """The curves, the film and the last samples of the training."""
    samples = sorted((folder / "samples").glob("*.png"))[-1:]
    pictures = [(folder / "training.png", CURVES), (folder / "training.gif", TRAINING_FILM)]
    pictures += [(path, SAMPLES) for path in samples]
    return webpage.section(
        "Training", *(webpage.picture(path, caption, folder) for path, caption in pictures)
    )


def completion_section(mask: str, completions: Path, folder: Path) -> str:
    """The sheet and the film of the completions behind one mask."""
    return webpage.section(
        f"Completions, mask {mask}",
        webpage.picture(completions / "sheet.png", SHEET, folder),
        webpage.picture(completions / "search.gif", SEARCH_FILM, folder),
    )
