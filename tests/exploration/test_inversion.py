"""Tests of `exploration.inversion`: the search finds the z of an image."""

from tf_inpaint.config import ExploreConfig
from tf_inpaint.exploration import inversion, latents, picture_sheets
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.runs import run_directory


def test_the_search_finds_the_z_of_a_generated_image(folder):
    run = run_directory.load(folder / "run")
    sample = picture_sheets.generate(run, latents.draw([5], 4))[0]
    config = ExploreConfig(kind="interpolation", steps=200)
    items = [Input("sample", "sample", "sample", lambda: sample)]
    _, z, errors = inversion.invert(config, run, items)
    assert errors[0]["mean_absolute_error"] < 0.02
    assert z.shape == (1, 4)
