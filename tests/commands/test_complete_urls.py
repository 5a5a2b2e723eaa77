"""complete with URLs of an object store: the files of the command on one machine."""

import dataclasses
import shutil

import fsspec
import pytest
from sentences import assert_one_sentence
from small_completions import (
    COUNT,
    assert_same_job_at_url,
    new_config,
    rows,
    run,
    save,
    save_mask,
)

from tf_inpaint import client
from tf_inpaint.completion.job import Job
from tf_inpaint.config import ClientConfig

pytestmark = pytest.mark.usefixtures("traced_once")


@pytest.fixture(scope="module")
def folder(run_folder, tmp_path_factory):
    """A folder with a run, images, and masks for them."""
    folder = tmp_path_factory.mktemp("urls")
    for name in ("run", "in"):
        shutil.copytree(run_folder / name, folder / name)
    for index in range(COUNT):
        save_mask(folder / f"masks/{index:02}.png", 50 + index)
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """Output folder of a job without URLs."""
    assert run(folder, folder / "expected", folder / "in", mask=f"{folder}/masks") == 0
    return folder / "expected"


def test_job_in_memory_is_that_of_the_disk(folder, expected, tmp_path):
    """The run, the images, the masks and the output folder are URLs."""
    url = f"memory:/{folder}"
    store = fsspec.filesystem("memory")
    for name in ("run", "in", "masks"):
        store.put(str(folder / name), f"{folder}/{name}", recursive=True)
    assert run(url, f"{url}/out", f"{url}/in", mask=f"{url}/masks") == 0
    store.get(f"{folder}/out", str(tmp_path / "out"), recursive=True)
    assert_same_job_at_url(expected, tmp_path / "out", folder, url)


def test_killed_and_damaged_job_goes_on(folder, expected, search_sizes, monkeypatch):
    """In a store without append and rename. A block is lost, and what is damaged is done again."""
    url, append = f"bucket://{folder}", Job.append

    def run_again():
        search_sizes.clear()
        return run(url, f"{url}/killed", f"{url}/in", mask=f"{url}/masks")

    def killed(self, row):
        if len(self.done) == 10:
            raise KeyboardInterrupt
        append(self, row)

    with monkeypatch.context() as patches:
        patches.setattr(Job, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            run_again()
    out = folder / "killed"
    assert len(list((out / ".journal.jsonl").iterdir())) == 2
    assert run_again() == 0 and search_sizes == [4, 4, 1]
    assert_same_job_at_url(expected, out, folder, url)
    whole = (out / "03.png").read_bytes()
    (out / "03.png").unlink()
    assert run_again() == 0 and search_sizes == [1]
    assert (out / "03.png").read_bytes() == whole
    assert run_again() == 0 and search_sizes == []


def test_edited_and_bad_files(folder, search_sizes, tmp_path, logged):
    """An edited image is done again. A bad one is a line in the summary, and the rest goes on."""
    url = f"bucket://{tmp_path}"
    images = [save(tmp_path / f"in/{index}.png", index) for index in range(3)]
    assert run(f"bucket://{folder}", f"{url}/out", f"{url}/in") == 0
    save(tmp_path / "in/1.png", 9)
    (tmp_path / "in/2.png").write_text("no picture")
    search_sizes.clear()
    paths = [f"{url}/in", f"{url}/missing.png"]
    assert run(f"bucket://{folder}", f"{url}/out", *paths) == 1 and search_sizes == [1]
    reasons = [text for text in logged.messages if text.startswith("Not completed")]
    assert len(reasons) == 2 and "2.png" in reasons[0]
    assert f"{url}/missing.png does not exist" in reasons[1]
    assert rows(tmp_path / "out").keys() == {"0", "1"}
    # Another seed replaces the job, and nothing else. The job does not know 2.png anymore.
    (tmp_path / "out/other.txt").write_text("")
    assert run(f"bucket://{folder}", f"{url}/out", images[0], seed=1, overwrite=True) == 0
    names = {path.name for path in (tmp_path / "out").glob("*.*")}
    assert names == {
        *("0.png", "2.png", "other.txt", "completions.jsonl", "config.json", "index.html"),
        *("latents.npz", "search.gif", "sheet.png"),
    }


def test_what_cannot_be_reached_is_one_sentence(folder, launch_exit, monkeypatch):
    """A driver raises an error of its own, as for missing credentials."""

    def no_credentials(*arguments, **options):
        raise RuntimeError("no credentials")

    code, lines = launch_exit(new_config("nothing-such://a", folder / "no"))
    assert code == 2 and len(lines) == 1
    assert_one_sentence(lines[0], ["nothing-such://a", "pip install"])
    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "_open", no_credentials)
    code, lines = launch_exit(new_config(folder, "memory://a"))
    assert code == 2 and len(lines) == 1
    assert_one_sentence(lines[0], ["no credentials"])


def test_client_takes_the_urls_of_images_and_masks(double, folder, tmp_path):
    """Its own folder is on this machine."""
    config = ClientConfig(url=double.url, model="faces")
    for name, place in {"paths": str(folder), "urls": f"bucket://{folder}"}.items():
        settings = {"images": (f"{place}/in",), "mask": f"{place}/masks"}
        out = str(tmp_path / name)
        assert client.run(dataclasses.replace(config, **settings, out_dir=out)) == 0
    pictures = [sorted((tmp_path / name).glob("*.png")) for name in ("paths", "urls")]
    first, second = ([path.read_bytes() for path in paths] for paths in pictures)
    assert first == second and len(first) == COUNT
    with pytest.raises(ValueError) as error:
        client.run(dataclasses.replace(config, images=("a.png",), out_dir="memory://a"))
    assert_one_sentence(error.value, ["--out_dir", "memory://a"])
