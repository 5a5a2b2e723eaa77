"""Whether the story's export is done."""

import json
from pathlib import Path

from tf_inpaint.config import TrainConfig
from tf_inpaint.config.flags import to_json


def is_exported(folder: Path, training: TrainConfig) -> bool:
    """Whether a version in a folder of exports has the networks of a finished training."""
    finished = json.loads(to_json(training)) | {"step": training.steps}
    records = folder.glob("[0-9]*/assets.extra/export.json")
    return any(json.loads(path.read_text())["run"] == finished for path in records)
