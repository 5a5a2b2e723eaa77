"""The frames of a film: their order, where their searches start, and films that go on."""

import pickle
import shutil

import numpy as np
import pytest
from photographs import known_of, photograph
from sentences import assert_one_sentence
from small_completions import assert_same_job, contents, new_config, rows, run, untimed_rows
from tiny import picture

from tf_inpaint import complete
from tf_inpaint.completion.block_tasks import TaskWorker, tasks
from tf_inpaint.completion.frame_sequence import digest, forget_later, in_order, summary
from tf_inpaint.completion.job import Job
from tf_inpaint.config import CompleteConfig
from tf_inpaint.files import images
from tf_inpaint.inputs.named_images import Input

STEMS = ["frame8", "frame9", "frame10", "frame11", "frame12"]
"""Names of the frames in their order, which is not that of their letters."""
SETTINGS = {"sequence": True, "mask": "center"}
"""Settings of the jobs of this file."""


def items_of(*names):
    """Returns inputs of these keys."""
    return [Input(name, name, name, None) for name in names]


def save_frame(folder, stem):
    """Writes a frame: a picture that moves to the right."""
    folder.mkdir(exist_ok=True)
    images.write(folder / f"{stem}.png", np.roll(picture(0), STEMS.index(stem), axis=1))


@pytest.fixture(scope="module")
def film(run_folder):
    """Folder of the frames."""
    for stem in STEMS:
        save_frame(run_folder / "film", stem)
    return run_folder / "film"


@pytest.fixture(scope="module")
def film_job(run_folder, film):
    """Output folder of a finished job over the film."""
    assert run(run_folder, run_folder / "film_out", film, **SETTINGS) == 0
    return run_folder / "film_out"


# --- The order, and what a row records.


def test_numbers_in_names_count():
    """Names without numbers come in the order of their letters."""
    names = ["b10", "b9", "a/1", "a/02", "10", "9", "b", "b9x", "b09"]
    ordered = [item.key for item in in_order(items_of(*names))]
    assert ordered == ["9", "10", "a/1", "a/02", "b", "b09", "b9", "b9x", "b10"]


def test_each_search_may_start_at_the_z_of_the_last_frame(film_job, run_folder, film, capsys):
    """A row says which z that was, and whether the search began there."""
    frames, answers = rows(film_job), {}
    assert list(frames) == STEMS
    with np.load(film_job / "latents.npz") as latents:
        answers = dict(zip(latents["files"].tolist(), latents["z"], strict=True))
    digests = [digest([answers[row["file"]]]) for row in frames.values()]
    assert [row["last_frame"] for row in frames.values()] == [None, *digests[:-1]]
    starts = [row["start"] for row in frames.values()]
    assert starts[0] == "own" and set(starts[1:]) <= {"own", "last_frame"}
    assert "last_frame" in starts
    # Without --sequence, a row tells nothing of this, and the frames come by their letters.
    alone = SETTINGS | {"sequence": False}
    assert run(run_folder, run_folder / "alone", film, **alone) == 0
    others = rows(run_folder / "alone")
    assert list(others) == sorted(STEMS)
    assert not {"start", "last_frame"} & others["frame8"].keys()
    # The first frame is searched as without --sequence, but it may stop earlier.
    assert others["frame8"]["energy"] <= frames["frame8"]["energy"]
    # A job with nothing left to do tells about the searches again.
    capsys.readouterr()
    assert run(run_folder, film_job, film, **SETTINGS) == 0
    steps = np.mean([row["steps"] for row in frames.values()])
    assert capsys.readouterr().out.splitlines()[-1] == (
        f"Steps of a frame's search: {steps:.1f} on average; {starts.count('last_frame')} of 5 "
        "searches began at the z of the last frame"
    )


def test_summary_leaves_out_frames_without_a_search():
    """A frame whose pixels are all known has no start."""
    steps = [("own", 9), ("last_frame", 4), ("last_frame", 5), (None, 0)]
    line = summary([{"start": start, "steps": count} for start, count in steps])
    assert line.startswith("Steps of a frame's search: 6.0 on average; 2 of 3 searches")
    assert "0.0 on average; 0 of 0" in summary([{"start": None, "steps": 0}])


def test_squares_of_a_large_frame_start_at_those_of_the_last(run_folder, tmp_path):
    """Each square has a z, and the row has the digest of all of them."""
    for number in range(2):
        (tmp_path / "in").mkdir(exist_ok=True)
        moved = np.roll(photograph("broad"), number, axis=1)
        images.write(tmp_path / f"in/{number}.png", moved)
    images.write(tmp_path / "mask.png", known_of("broad") * 2 - 1)
    settings = SETTINGS | {"mask": f"{tmp_path}/mask.png", "framing": "hole"}
    assert run(run_folder, tmp_path / "out", tmp_path / "in", **settings) == 0
    first, second = rows(tmp_path / "out").values()
    with np.load(tmp_path / "out/latents.npz") as latents:
        z = latents["z"]
    assert first["squares"] == second["squares"] == 2 and len(z) == 4
    assert (first["last_frame"], second["last_frame"]) == (None, digest(z[:2]))
    assert second["start"] == "last_frame"


# --- Films that go on.


def test_frames_count_up_to_the_first_that_depends_on_another(logged):
    """A frame without z passes on the z before it."""
    z = [[np.float32([1, 2])], [], [np.float32([3, 4])], [np.float32([5, 6])]]
    last = [None, digest(z[0]), digest(z[0]), digest(z[2])]
    items = items_of("a", "b", "c", "d")

    def film_rows():
        pairs = zip(z, last, strict=True)
        return {
            item.file: {"z": row_z, "last_frame": name}
            for item, (row_z, name) in zip(items, pairs, strict=True)
        }

    done = film_rows()
    assert forget_later(items, done) is z[3] and len(done) == 4
    assert forget_later(items[:2], done) is z[0] and len(done) == 4
    assert logged.messages == []
    # Without its first frames, a film begins anew.
    assert len(forget_later(items[2:], done)) == 0 and list(done) == ["a", "b"]
    # A frame that is new, and one that was done again with another z.
    done = film_rows()
    del done["c"]
    assert forget_later(items, done) is z[0] and list(done) == ["a", "b"]
    done = film_rows() | {"a": {"z": z[2], "last_frame": None}}
    assert forget_later(items, done) is z[2] and list(done) == ["a"]
    assert [text.split("that of ")[1] for text in logged.messages] == ["c: 2.", "c: 1.", "b: 3."]


@pytest.mark.parametrize("written", [1, 4])
def test_killed_film_goes_on_where_it_stopped(
    film_job, run_folder, film, tmp_path, monkeypatch, search_sizes, written
):
    """The journal has the z at which the next search may start."""
    interrupt(monkeypatch, written, lambda: run(run_folder, tmp_path / "out", film, **SETTINGS))
    search_sizes.clear()
    assert run(run_folder, tmp_path / "out", film, **SETTINGS) == 0
    assert search_sizes == [1] * (5 - written)
    assert_same_job(tmp_path / "out", film_job)


def interrupt(monkeypatch, written, job):
    """Runs a job that is interrupted after some rows."""
    original, appended = Job.append, []

    def append(self, row):
        if len(appended) == written:
            raise KeyboardInterrupt
        appended.append(row)
        original(self, row)

    with monkeypatch.context() as patches, pytest.raises(KeyboardInterrupt):
        patches.setattr(Job, "append", append)
        job()


def test_frames_after_an_edited_one_are_done_again(
    film_job, run_folder, film, tmp_path, monkeypatch, search_sizes
):
    """This also holds if the job is killed before it comes to the later frames."""
    shutil.copytree(film, tmp_path / "in")
    arguments = run_folder, tmp_path / "out", tmp_path / "in"
    assert run(*arguments, **SETTINGS) == 0
    images.write(tmp_path / "in/frame10.png", picture(7))
    interrupt(monkeypatch, 1, lambda: run(*arguments, **SETTINGS))
    search_sizes.clear()
    assert run(*arguments, **SETTINGS) == 0
    assert search_sizes == [1, 1]
    assert run(run_folder, tmp_path / "new", tmp_path / "in", **SETTINGS) == 0
    assert untimed_rows(tmp_path / "out") == untimed_rows(tmp_path / "new")
    job, new = contents(tmp_path / "out"), contents(tmp_path / "new")
    # The film of the search shows the frame that was searched first.
    assert job.pop("search.gif") != new.pop("search.gif")
    assert job == new


def test_a_film_is_one_task_of_a_worker(film_job, run_folder, film, tmp_path):
    """The worker writes what one process writes, and films the first search only."""
    plan = complete.new_plan(new_config(run_folder, tmp_path / "out", film, **SETTINGS))
    (task,) = tasks(plan.completer, plan.items, {}, None, film=True)
    plan.job.begin()
    result = pickle.loads(pickle.dumps(TaskWorker(plan.completer)))(task)
    for row in result.rows:
        plan.job.append(row)
    assert complete.finish(plan, result.failures) == 0
    assert_same_job(tmp_path / "out", film_job)


# --- Settings.


def test_a_block_has_the_searches_of_one_frame():
    """Unless its size is given, or that of the job that goes on."""
    config = CompleteConfig(images=("a",), sequence=True)
    three = CompleteConfig(images=("a",), sequence=True, restarts=3)
    given = CompleteConfig(images=("a",), sequence=True, block_size=5)
    many = CompleteConfig(images=("a",), sequence=True, restarts=100)
    sizes = [
        item.with_block_size(has_gpu=False).block_size for item in (config, three, given, many)
    ]
    assert sizes == [1, 3, 5, 8]
    assert three.with_block_size({"block_size": 4}).block_size == 4
    assert (config.min_patience, CompleteConfig().min_patience) == (1, 25)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"images": ()}, ["no images"]),
        ({"shard": "0/2"}, ["--shard=0/2"]),
        ({"estimate": "sample"}, ["--estimate=sample"]),
    ],
)
def test_what_has_no_last_frame_is_refused(settings, words):
    """One sentence names the setting."""
    with pytest.raises(ValueError) as error:
        CompleteConfig(**{"images": ("a",), "sequence": True} | settings)
    assert_one_sentence(error.value, ["--sequence", *words])


@pytest.mark.parametrize("mask", ["center", "lowres"])
def test_mean_of_drawn_answers_is_refused(run_folder, film, tmp_path, mask):
    """The run has no Gaussian. Nothing is written."""
    settings = SETTINGS | {"mask": mask, "estimate": "mean"}
    with pytest.raises(ValueError) as error:
        run(run_folder, tmp_path / "out", film, **settings)
    assert_one_sentence(error.value, ["--sequence", "--estimate=mean"])
    assert not (tmp_path / "out").exists()
