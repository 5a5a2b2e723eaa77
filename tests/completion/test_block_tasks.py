"""A job as tasks: which images come together, and that the tasks make the job."""

import pickle
import types

import pytest
from photographs import known_of, photograph
from PIL import Image
from sentences import assert_one_sentence
from small_completions import assert_same_job, new_config, run, save

from tf_inpaint import complete
from tf_inpaint.completion.block_tasks import TaskWorker, new_worker, tasks
from tf_inpaint.files import images
from tf_inpaint.settings.threads import default_threads


def planned_tasks(config):
    """Returns the plan of a job, its tasks, and the reasons why images cannot be read."""
    plan, failures = complete.new_plan(config), {}
    bar = types.SimpleNamespace(total=len(plan.items))
    planned = tasks(plan.completer, plan.items, failures, bar, complete.films(plan))
    return plan, list(planned), failures


def test_first_task_is_the_block_that_one_process_films(run_folder, tmp_path):
    """An unreadable image does not shorten it, and only its search is filmed."""
    for index in range(11):
        save(tmp_path / f"in/{index:02}.png", index)
    (tmp_path / "in/02.png").write_text("no picture")
    (tmp_path / "in/07.png").write_text("no picture")
    _, planned, failures = planned_tasks(new_config(run_folder, tmp_path / "out", tmp_path / "in"))
    stems = [[item.stem for item in task.items] for task in planned]
    assert stems == [["00", "01", "03", "04"], ["05", "06", "07", "08"], ["09", "10"]]
    assert [task.film for task in planned] == [True, False, False]
    assert list(failures) == [str((tmp_path / "in/02.png").resolve())]


@pytest.mark.parametrize(
    ("workers", "sizes"),
    [(1, [1, *[4] * 8, 3]), (2, [1, *[2] * 17, 1]), (4, [1] * 36), (100, [1] * 36)],
)
def test_a_task_has_several_blocks_if_there_are_many(run_folder, tmp_path, workers, sizes):
    """Each worker gets eight tasks at least."""
    for index in range(36):
        save(tmp_path / f"in/{index:02}.png", 0)
    settings = {"engine": "ray", "workers": workers, "block_size": 1, "threads": default_threads()}
    config = new_config(run_folder, tmp_path / "out", tmp_path / "in", **settings)
    assert [len(task.items) for task in planned_tasks(config)[1]] == sizes


def test_block_without_a_hole_is_not_filmed(run_folder, tmp_path):
    """The film shows the first search."""
    for folder in ("in", "masks"):
        (tmp_path / folder).mkdir()
    for stem in ("a", "b", "c"):
        name = "known" if stem != "c" else "broad"
        Image.fromarray(photograph(name)).save(tmp_path / f"in/{stem}.png")
        images.write(tmp_path / f"masks/{stem}.png", known_of(name) * 2 - 1)
    settings = {"mask": str(tmp_path / "masks"), "block_size": 1}
    config = new_config(run_folder, tmp_path / "out", tmp_path / "in", **settings)
    assert [task.film for task in planned_tasks(config)[1]] == [False, False, True]


@pytest.mark.parametrize("own", [False, True])
def test_tasks_in_any_order_make_the_job(run_folder, tmp_path, own):
    """They carry no pixels, and the rows of the job come in the order of its images."""
    paths, settings = ([], {"count": 7}) if own else ([run_folder / "in"], {})
    assert run(run_folder, tmp_path / "expected", *paths, **settings) == 0
    config = new_config(run_folder, tmp_path / "out", *paths, **settings)
    plan, planned, failures = planned_tasks(config)
    plan.job.begin()
    worker = TaskWorker(plan.completer)
    for task in reversed(planned):
        data = pickle.dumps(task)
        assert len(data) < 1000 + 400 * len(task.items)
        result = worker(pickle.loads(data))
        for row in result.rows:
            plan.job.append(row)
        assert result.failures == {}
    assert complete.finish(plan, failures) == 0
    assert_same_job(tmp_path / "expected", tmp_path / "out")


def test_worker_refuses_a_run_that_has_changed(run_folder, tmp_path):
    """Its answers would be those of other networks."""
    config = new_config(run_folder, tmp_path / "out", run_folder / "in")
    completer = complete.new_plan(config).completer
    copy = pickle.loads(pickle.dumps(completer))
    assert isinstance(new_worker(copy, completer.run.identity), TaskWorker)
    with pytest.raises(ValueError) as error:
        new_worker(copy, "step 2, no encoder")
    assert_one_sentence(error.value, ["step 2, no encoder", completer.run.identity])
