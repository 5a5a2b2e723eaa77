"""index.html of `complete`: what the page shows, and what it leaves out."""

from tf_inpaint.completion.report_page import write_page
from tf_inpaint.config import CompleteConfig


def test_page_shows_numbers_and_pictures(finished_job):
    """The page of a job has its pictures, its numbers and the command."""
    page = (finished_job / "index.html").read_text()
    assert page.count("<img ") == 2 and page.count("mean of 17") == 1
    for text in ("Completed images: 17", "hole PSNR", "contextual", "--mask=random"):
        assert text in page
    assert "uncertainty" not in page and "Samples:" not in page


def test_page_explains_samples_and_uncertainty(tmp_path):
    """The caption of the sheet explains what there is, and nothing else."""
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"\x89PNG" + bytes(20))
    for names in ([], ["uncertainty"], ["acceptance"], ["uncertainty", "acceptance"]):
        row = {"file": "a", **dict.fromkeys(names, 0.5)}
        config = CompleteConfig(run_dir="run")
        write_page(tmp_path / "index.html", [row], sheet, tmp_path / "search.gif", config, {})
        page = (tmp_path / "index.html").read_text()
        assert ("Samples: other answers" in page) == ("acceptance" in names)
        assert ("Uncertainty: by how much" in page) == ("uncertainty" in names)
