"""The versions of the files that a result was made of: those of its image and of its mask.

A job records the versions in the row of a result, under "inputs". When the job is started again, a
result whose image or mask was edited since does not count.
"""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_inpaint.files.file_versions import read_version
from tf_inpaint.inputs.mask_sources import MaskSource
from tf_inpaint.inputs.named_images import Input

log = logging.getLogger("tf_inpaint")


def read_inputs(
    item: Input, mask_source: MaskSource, recorded: Mapping[str, Mapping] | None = None
) -> dict[str, dict]:
    """Returns the versions of the files of an image, by "image" and "mask".

    Call the function before the image is read. If a file is edited in between, the result is done
    again once too often, but never once too seldom.

    Args:
        item: the image. An image of the run's own data has no version.
        mask_source: source of its mask. A mask with a name has no version.
        recorded: versions in the row of the result; see `read_version`.

    Raises:
        ValueError: several mask files fit the image equally well.
    """
    recorded = recorded or {}
    versions = {
        "image": item.path and read_version(item.path, recorded.get("image", {})),
        "mask": mask_source.version(item, recorded.get("mask", {})),
    }
    return {name: version for name, version in versions.items() if version}


def inputs_entry(item: Input, mask_source: MaskSource) -> dict[str, dict]:
    """Returns the entry "inputs" of the row of a result, or nothing if no file was read."""
    try:
        inputs = read_inputs(item, mask_source)
    except ValueError:  # Whoever reads the mask says so.
        inputs = {}
    return {"inputs": inputs} if inputs else {}


def forget_edited(
    out_dir: Path, done: dict[str, dict], items: Iterable[Input], mask_source: MaskSource
) -> int:
    """Removes results whose image or mask was edited from `done`, and says so in the log.

    A result stays if a file of it does not exist anymore, or if its row has no versions, because an
    earlier version of this package wrote it.

    Args:
        out_dir: folder of the job.
        done: rows of the results by `Input.file`. Rows that stay get the present times.
        items: the images to check.
        mask_source: source of the masks that would be used now.

    Returns:
        the number of removed results.
    """
    edited = []
    for item in items:
        row = done.get(item.file, {})
        recorded = row.get("inputs")
        if not is_record(recorded):
            continue
        try:
            present = read_inputs(item, mask_source, recorded)
            same = all(
                version["sha256"] == recorded.get(name, {}).get("sha256")
                for name, version in present.items()
            )
        except ValueError:  # The mask folder has two masks for the image now.
            same = False
        if same:
            row["inputs"] = recorded | present
        else:
            edited.append(item.file)
    for file in edited:
        del done[file]
    if edited:
        log.warning(
            "%d of the results in %s do not count anymore, for their image or mask was edited, "
            "such as that of %s. They are computed again.",
            len(edited),
            out_dir,
            edited[0],
        )
    return len(edited)


def is_record(inputs: Any) -> bool:
    """Whether an entry "inputs" has the form that `inputs_entry` gives it."""
    return isinstance(inputs, dict) and all(isinstance(value, dict) for value in inputs.values())
