"""The searches of the page: progress, result, alternatives, and visitors who leave."""

import numpy as np
import pytest
from page_inputs import last, square_hole
from tiny import picture

from tf_inpaint.files import images
from tf_inpaint.page.page_search import Alternatives, PageSearch, SearchProgress, SearchResult
from tf_inpaint.runs import run_directory
from tf_inpaint.runs.inpainters import MIN_FRAMES


def test_progress_comes_during_the_search_and_known_pixels_stay_unchanged(search):
    pixels, hidden = picture(7), square_hole()
    example = search.example(pixels, hidden, "a")
    *updates, result = search.fill(example, search.search_config(), 0)
    assert all(isinstance(update, SearchProgress) for update in updates)
    assert isinstance(result, SearchResult)
    shares = [update.share for update in updates]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and len(shares) == 22
    assert {update.frame.shape for update in updates} == {(168, 338, 1)}
    assert len(result.film) == 22
    assert any((update.frame != updates[0].frame).any() for update in updates)
    assert (result.picture[~hidden] == pixels[~hidden]).all()
    assert (result.picture[hidden] != pixels[hidden]).any() and result.steps == 20


def test_hidden_pixels_are_never_read(search):
    hidden, scrambled = square_hole(), picture(7).copy()
    scrambled[hidden] = 255 - scrambled[hidden]
    sampling = search.sampling_config(3, "poisson")
    results = []
    for pixels in (picture(7), scrambled):
        example = search.example(pixels, hidden, "a")
        result = last(search.fill(example, search.search_config(), 0))
        results.append((result, search.sample(example, sampling, 0)))
    (first, first_alternatives), (second, second_alternatives) = results
    assert (first.picture == second.picture).all()
    assert (np.stack(first.film) == np.stack(second.film)).all()
    first_pictures = np.stack(first_alternatives.pictures)
    assert (first_pictures == np.stack(second_alternatives.pictures)).all()


def test_another_seed_gives_another_picture_and_each_restart_has_a_column(search):
    example = search.example(picture(7), square_hole(first=2, last=26), "a")
    config = search.search_config(restarts=2, start="random", steps=4)
    first, again, other = (last(search.fill(example, config, seed)) for seed in (0, 0, 1))
    assert (first.picture == again.picture).all() and (first.picture != other.picture).any()
    assert first.film[0].shape == (338, 338, 1)


def test_alternatives_differ_only_in_the_hole(search):
    pixels, hidden = picture(7), square_hole()
    alternatives = search.sample(
        search.example(pixels, hidden, "a"), search.sampling_config(3, "poisson"), 0
    )
    assert isinstance(alternatives, Alternatives) and len(alternatives.pictures) == 3
    for alternative in alternatives.pictures:
        assert (alternative[~hidden] == pixels[~hidden]).all()
    deviation = np.std(images.to_float(np.stack(alternatives.pictures)), axis=0)[..., 0] / 2
    assert (alternatives.uncertainty[~hidden] == 0).all()
    assert (alternatives.uncertainty[hidden] > 0).any()
    assert (deviation[alternatives.uncertainty == 0] < 1e-6).all()


def test_photograph_keeps_its_size_and_every_pixel_outside_the_paint(search):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 1), dtype=np.uint8)
    hidden = np.zeros((60, 90), bool)
    hidden[20:40, 35:55] = True
    example = search.example(pixels, hidden, "a")
    result = last(search.fill(example, search.search_config(), 0))
    alternatives = search.sample(example, search.sampling_config(2, "paste"), 0)
    for completed in (result.picture, *alternatives.pictures):
        assert completed.shape == pixels.shape
        assert (completed[~hidden] == pixels[~hidden]).all()
    assert (result.picture[hidden] != pixels[hidden]).any()
    assert (alternatives.uncertainty[~hidden] == 0).all()
    assert alternatives.uncertainty[hidden].max() > 0


def test_leaving_visitor_ends_the_search_and_the_next_visitor_is_served(search):
    example = search.example(picture(7), square_hole(), "a")
    config = search.search_config(steps=5000)
    inpainter, calls = search.inpainter(config), []
    original = inpainter.search.advance
    inpainter.search.advance = lambda *steps: calls.append(steps) or original(*steps)
    abandoned = search.fill(example, config, 0)
    next(abandoned)
    abandoned.close()
    expected = last(search.fill(example, search.search_config(), 0))
    assert len(calls) < MIN_FRAMES
    # Two visitors at a time take turns, and each visitor gets the right picture.
    first, second = (search.fill(example, search.search_config(), seed) for seed in (0, 1))
    next(first), next(second)
    assert (last(first).picture == expected.picture).all()
    assert (last(second).picture != expected.picture).any()


def test_contradicting_settings_are_refused(search):
    with pytest.raises(ValueError, match="start_draws must be at least --restarts"):
        search.search_config(restarts=9)


def test_graphs_are_traced_once(run_dir, config):
    search = PageSearch(run_directory.load(run_dir), config)
    search.warm_up(picture(1))
    search.executor.submit(int).result()
    traced = search.inpainter.cache_info().misses
    assert traced == 2
    example = search.example(picture(7), square_hole(), "a")
    last(search.fill(example, search.search_config(steps=20, blend="poisson"), 0))
    search.sample(example, search.sampling_config(3, "poisson"), 0)
    assert search.inpainter.cache_info().misses == traced
