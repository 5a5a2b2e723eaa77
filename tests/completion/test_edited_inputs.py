"""Jobs of `complete` whose images or masks were edited since: only these images are done again."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_completions import contents, rows, run, save, save_mask

from tf_inpaint.completion.job import Job


@pytest.fixture
def paths(run_folder, tmp_path):
    """Arguments of a job over five images, of which each has a mask file."""
    for index in range(5):
        save(tmp_path / f"photos/{index}.png", index)
        save_mask(tmp_path / f"masks/{index}.png", index + 20)
    return run_folder, tmp_path / "out", tmp_path / "photos"


def latents(out_dir):
    """Returns the bytes of the z of each image of a job."""
    with np.load(out_dir / "latents.npz") as arrays:
        pairs = zip(arrays["files"].tolist(), arrays["z"], strict=True)
        return {file: z.tobytes() for file, z in pairs}


def test_edited_images_and_masks_are_done_again(paths, tmp_path, search_sizes, logged):
    """The job ends as a new job, and one line tells how many images are done again."""
    settings = {"mask": f"{tmp_path}/masks"}
    assert run(*paths, **settings) == 0
    first = contents(tmp_path / "out")
    save(tmp_path / "photos/1.png", 31)
    save_mask(tmp_path / "masks/4.png", 34)
    search_sizes.clear()
    assert run(*paths, **settings) == 0
    assert search_sizes == [2]
    (text,) = [text for text in logged.messages if "do not count" in text]
    assert text.startswith(f"2 of the results in {tmp_path}/out do") and "photos/1.png" in text
    assert run(paths[0], tmp_path / "new", paths[2], **settings) == 0
    last, new = contents(tmp_path / "out"), contents(tmp_path / "new")
    # The film of a new job shows other images.
    assert first.pop("search.gif") != last.pop("search.gif") and new.pop("search.gif")
    # The images that are done again come last.
    assert latents(tmp_path / "out") == latents(tmp_path / "new")
    assert last.pop("latents.npz") and new.pop("latents.npz")
    assert last == new
    assert [name for name in ("0.png", "1.png", "4.png") if first[name] != last[name]] == [
        "1.png",
        "4.png",
    ]
    # Nothing is left to do.
    search_sizes.clear()
    assert run(*paths, **settings) == 0 and search_sizes == []


def test_killed_job_does_again_what_was_edited_since(paths, tmp_path, monkeypatch, search_sizes):
    """The journal has the versions too. A file with another time alone is not edited."""
    original = Job.append

    def append(self, row):
        if len(self.done) == 4:
            raise KeyboardInterrupt
        original(self, row)

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Job, "append", append)
        run(*paths)
    save(tmp_path / "photos/1.png", 31)
    os.utime(tmp_path / "photos/2.png", ns=(0, 7))
    search_sizes.clear()
    assert run(*paths) == 0
    assert sum(search_sizes) == 2
    assert rows(tmp_path / "out")["2"]["inputs"]["image"]["mtime_ns"] == 7


def test_held_out_images_with_an_edited_mask_file(run_folder, tmp_path, search_sizes):
    """A mask file counts for images that have no file."""
    mask = save_mask(tmp_path / "mask.png", 20)
    for _ in range(2):
        assert run(run_folder, tmp_path / "out", count=2, mask=mask) == 0
    assert search_sizes == [2]
    assert rows(tmp_path / "out")["0"]["inputs"].keys() == {"mask"}
    save_mask(Path(mask), 21)
    assert run(run_folder, tmp_path / "out", count=2, mask=mask) == 0
    assert search_sizes == [2, 2]


def test_jobs_without_versions_go_on(paths, tmp_path, search_sizes):
    """An older job counts its images as before."""
    assert run(*paths) == 0
    path = tmp_path / "out/completions.jsonl"
    older = [json.loads(line) for line in path.read_text().splitlines()]
    for row in older:
        assert set(row.pop("inputs")) == {"image"}
    path.write_text("".join(json.dumps(row) + "\n" for row in older))
    save(tmp_path / "photos/1.png", 31)
    search_sizes.clear()
    assert run(*paths) == 0 and search_sizes == []
    assert [json.loads(line) for line in path.read_text().splitlines()] == older


def test_image_that_cannot_be_read_anymore_is_named(paths, tmp_path, logged, search_sizes):
    """An image that became a text fails, and the others stay. Restored, it is done again."""
    assert run(*paths) == 0
    before = (tmp_path / "out/3.png").read_bytes()
    shutil.copy(tmp_path / "photos/3.png", tmp_path)
    (tmp_path / "photos/3.png").write_text("text")
    search_sizes.clear()
    assert run(*paths) == 1 and search_sizes == []
    assert [text for text in logged.messages if "Not completed" in text and "3.png" in text]
    shutil.copy(tmp_path / "3.png", tmp_path / "photos")
    assert run(*paths) == 0 and search_sizes == [1]
    assert (tmp_path / "out/3.png").read_bytes() == before
