"""Jobs of `complete` on tiny images, and what the jobs write."""

import contextlib
import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from tiny import SIZE, new_run, picture

from tf_inpaint import complete
from tf_inpaint.compositing import masks
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import images
from tf_inpaint.inpainting import inpainter
from tf_inpaint.inputs.named_images import files
from tf_inpaint.settings.search_settings import SearchSettings

COUNT = 17
"""Number of images in `run_folder`, which are more than four blocks."""
SEARCH = {
    "steps": 12,
    "deeper_steps": 0,
    "solver": "adam",
    "start_draws": 3,
    "block_size": 4,
    "details": 3,
    "blend": "paste",
}
"""Settings of a quick search, whose pictures are G(z)."""

_Inpainter = inpainter.Inpainter
_inpainters: dict = {}


@contextlib.contextmanager
def shared_inpainters():
    """Lets jobs with equal settings share an inpainter.

    Tracing an inpainter takes longer than these searches.
    """
    names = [field.name for field in dataclasses.fields(SearchSettings)]

    def shared(networks, settings, low_resolution_factor=None):
        values = tuple(getattr(settings, name) for name in names)
        key = settings.run_dir, low_resolution_factor, settings.min_patience, values
        if key not in _inpainters:
            _inpainters[key] = _Inpainter(networks, settings, low_resolution_factor)
        return _inpainters[key]

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(inpainter, "Inpainter", shared)
        yield


def new_run_folder(folder):
    """Makes a run with 12 held-out images, and `COUNT` further images in the folder `in`."""
    held_out = np.stack([picture(seed) for seed in range(100, 112)])
    np.savez(folder / "data.npz", x_train=held_out, x_test=held_out)
    new_run(folder / "run", dataset=f"npz:{folder}/data.npz")
    for index in range(COUNT):
        save(folder / f"in/{index:02}.png", index)
    return folder


def save(path, *arguments):
    """Writes `tiny.picture(*arguments)`, and returns the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, picture(*arguments))
    return str(path)


def save_mask(path, *arguments):
    """Writes `tiny.picture(*arguments)` in black and white, and returns the path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images.write(path, np.uint8(255 * (picture(*arguments) > 127)))
    return str(path)


def new_config(folder, out_dir, *paths, **settings):
    """Returns the settings of a quick job with the run of a folder."""
    defaults = {"run_dir": f"{folder}/run", "out_dir": str(out_dir), "mask": "random"}
    return CompleteConfig(images=tuple(map(str, paths)), **defaults | SEARCH | settings)


def run(folder, out_dir, *paths, **settings):
    """Runs a quick job with the run of a folder, and returns the exit code."""
    return complete.run(new_config(folder, out_dir, *paths, **settings))


def mask_of(index):
    """Returns `known` of an image of `run_folder` under the mask "random"."""
    (item,) = files([f"x/{index:02}.png"], Path("out"))
    return masks.make("random", SIZE, SIZE, item.seeds(0))


def rows(out_dir, part=""):
    """Returns the rows of a job's results by the stem of the completion."""
    text = (out_dir / f"completions{part}.jsonl").read_text()
    return {Path(row["completion"]).stem: row for row in map(json.loads, text.splitlines())}


def untimed_rows(out_dir, part=""):
    """Returns `rows` without the durations."""
    return {stem: row | {"seconds": 0} for stem, row in rows(out_dir, part).items()}


def contents(out_dir):
    """Returns the bytes of every file by its path.

    Hidden files are left out, and files with durations or with the name of the folder.
    """
    paths = [path for path in out_dir.rglob("*") if path.is_file() and path.name[0] != "."]
    return {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in paths
        if path.name not in ("completions.jsonl", "config.json", "index.html")
    }


def assert_same_job(first, second):
    """Checks that two finished jobs have written the same."""
    assert untimed_rows(first) == untimed_rows(second)
    assert list(rows(first)) == list(rows(second))
    assert not (first / ".journal.jsonl").exists()
    first_files, second_files = contents(first), contents(second)
    assert first_files.keys() == second_files.keys()
    assert [name for name in first_files if first_files[name] != second_files[name]] == []


def assert_same_job_at_url(expected, out, folder, url):
    """Checks that a job with URLs has written what the same job without URLs has.

    Args:
        expected: output folder of the job without URLs.
        out: folder with what the job with URLs has written.
        folder: folder of the job without URLs.
        url: URL in place of `folder`.
    """
    written = contents(out)
    with np.load(io.BytesIO(written["latents.npz"])) as latents:
        files = [str(file).replace(url, str(folder)) for file in latents["files"]]
        with np.load(expected / "latents.npz") as expected_latents:
            assert files == expected_latents["files"].tolist()
            np.testing.assert_array_equal(latents["z"], expected_latents["z"])
    others = contents(expected)
    assert others.keys() == written.keys()
    different = [name for name in written if written[name] != others[name]]
    assert different == ["latents.npz"]
    assert rows_without_url(out, url, folder) == rows_without_url(expected, url, folder)
    assert not [path for path in out.iterdir() if path.name[0] == "."]


def rows_without_url(out, url, folder):
    """Returns the rows in their order, without times, and with one name for all folders."""
    rows_by_stem = {}
    for stem, row in untimed_rows(out).items():
        for version in row["inputs"].values():
            del version["stamp" if "stamp" in version else "mtime_ns"]
        rows_by_stem[stem] = json.dumps(row).replace(url, str(folder))
    return list(rows_by_stem.items())
