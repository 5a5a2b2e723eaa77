"""Jobs of `complete` whose files were deleted or damaged: done again, or refused in a sentence."""

import base64
import json
import re
import shutil

import numpy as np
import pytest
from small_completions import assert_same_job, contents, new_config, rows, run

from tf_inpaint.completion.job import Job
from tf_inpaint.runs import run_directory


@pytest.fixture
def job_copy(finished_job, tmp_path, monkeypatch):
    """A copy of the finished job."""
    return shutil.copytree(finished_job, tmp_path / "out")


def test_deleted_and_damaged_completions_are_done_again(
    job_copy, finished_job, run_folder, search_sizes, logged
):
    """A completion that was deleted or damaged is computed again, and the log says so."""
    (job_copy / "03.png").unlink()
    (job_copy / "07.png").write_text("text")
    assert run(run_folder, job_copy, run_folder / "in") == 0
    assert search_sizes == [2]
    assert contents(job_copy).keys() == contents(finished_job).keys()
    for name in ("03.png", "07.png"):
        assert (job_copy / name).read_bytes() == (finished_job / name).read_bytes()
    assert rows(job_copy).keys() == rows(finished_job).keys()
    (text,) = [text for text in logged.messages if "not complete" in text]
    assert text.startswith(f"2 of the results in {job_copy} are") and "03.png" in text
    assert run(run_folder, job_copy, run_folder / "in") == 0 and search_sizes == [2]


def test_damaged_completion_of_the_journal_is_done_again(
    run_folder, finished_job, tmp_path, monkeypatch, search_sizes
):
    """A killed job also does again what was damaged since, under the same name."""
    original, out = Job.append, tmp_path / "out"

    def append(self, row):
        if len(self.done) == 4:
            raise KeyboardInterrupt
        original(self, row)

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Job, "append", append)
        run(run_folder, out, run_folder / "in")
    (out / "01.png").write_bytes((out / "01.png").read_bytes()[:-4])
    search_sizes.clear()
    assert run(run_folder, out, run_folder / "in") == 0
    assert sum(search_sizes) == 14
    assert rows(out).keys() == rows(finished_job).keys()
    assert (out / "01.png").read_bytes() == (finished_job / "01.png").read_bytes()


def test_job_that_was_killed_between_its_last_files_goes_on(
    finished_job, run_folder, tmp_path, search_sizes
):
    """The latents may be newer than the rows, for the latents are written first."""
    out = tmp_path / "out"
    assert run(run_folder, out, run_folder / "in/00.png", run_folder / "in/01.png") == 0
    with np.load(finished_job / "latents.npz") as latents:
        texts = {
            file: [base64.b64encode(z.tobytes()).decode()]
            for file, z in zip(latents["files"].tolist(), latents["z"], strict=True)
        }
    lines = [
        json.dumps(row | {"z": texts[row["file"]]}) + "\n"
        for stem, row in rows(finished_job).items()
        if stem not in ("00", "01")
    ]
    (out / ".journal.jsonl").write_text("".join(lines))
    shutil.copy(finished_job / "latents.npz", out)
    for path in finished_job.glob("[0-9]*.png"):
        shutil.copy(path, out)
    shutil.copytree(finished_job / "details", out / "details", dirs_exist_ok=True)
    shutil.copy(finished_job / "search.gif", out)
    search_sizes.clear()
    assert run(run_folder, out, run_folder / "in") == 0
    assert search_sizes == []
    assert_same_job(out, finished_job)


ROW = '{"file": "a", "completion": "a.png"}\n'
FILES = [
    ("completions.jsonl", b""),
    ("completions.jsonl", ROW.encode()[:-9]),
    ("completions.jsonl", b"{}\n"),
    ("completions.jsonl", b"\x93NUMPY"),
    ("latents.npz", None),
    ("latents.npz", b""),
    ("latents.npz", b"text"),
    ("latents.npz", {}),
    ("latents.npz", {"files": ["a"]}),
    ("latents.npz", {"files": ["a"], "z": np.zeros((2, 4))}),
    ("latents.npz", {"files": ["a"], "z": np.zeros(1)}),
    ("latents.npz", {"files": ["a"], "z": np.zeros((1, 4))}),
    ("latents.npz", {"files": np.array([["a"]]), "z": np.zeros((1, 4))}),
    ("latents.npz", {"files": ["a"], "z": np.array([["b"]])}),
    (".journal.jsonl", b'{"file": "a", "completion": "a.png"}\n'),
    (".journal.jsonl", b'{"file": "a", "completion": "a.png", "z": [7]}\n'),
    (".journal.jsonl", b'{"file": "a", "completion": "a.png", "z": ["abc"]}\n'),
    (".journal.jsonl", b'{"file": "a", "completion": "a.png", "z": ["AAAAAA=="]}\n'),
    ("config.json", b"[]"),
    ("config.json", b"\xff\xfe"),
    ("config.json", b""),
]


@pytest.mark.parametrize(("name", "data"), FILES, ids=lambda value: str(value)[:30])
def test_damaged_file_is_one_sentence(job_copy, run_folder, name, data):
    """The sentence names the file, and nothing is changed."""
    path = job_copy / name
    if data is None:
        path.unlink()
    elif isinstance(data, bytes):
        path.write_bytes(data)
    else:
        np.savez(path, **data)
    before = {path.name: path.read_bytes() for path in job_copy.iterdir() if path.is_file()}
    config = new_config(run_folder, job_copy, run_folder / "in")
    with pytest.raises(ValueError) as refusal:
        Job(job_copy, config, run_directory.load(run_folder / "run").identity)
    message = str(refusal.value)
    assert re.fullmatch(rf"[^;]+; [^;]*{re.escape(str(path))}.*; restore .*\.", message)
    assert "\n" not in message and "--out_dir" in message
    after = {path.name: path.read_bytes() for path in job_copy.iterdir() if path.is_file()}
    assert after == before
