"""paint, without a browser: the canvas, the search while somebody watches, what is shown, and that nothing is told."""

import html
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from tiny import SIZE, new_run, picture

from tf_inpaint import paint
from tf_inpaint.config import PaintConfig
from tf_inpaint.files import images
from tf_inpaint.inpainting import masks
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.page import canvas, layout, style
from tf_inpaint.page.controller import FINE, READY, Picture, Visits
from tf_inpaint.page.page_search import Answers, Filled, Filler, Moment
from tf_inpaint.runs import run_directory

SEARCH = {"steps": 20, "start_draws": 4, "block_size": 4, "samples": 3, "patience": 1.0}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paint")
    test = np.stack([picture(seed) for seed in range(3)])
    np.savez(folder / "data.npz", x_train=test, x_test=test)
    return new_run(folder / "run", dataset=f"npz:{folder}/data.npz")


@pytest.fixture(scope="module")
def config(run_dir):
    return PaintConfig(run_dir=run_dir, most_pixels=10_000, most_megabytes=0.1, **SEARCH)


@pytest.fixture(scope="module")
def filler(run_dir, config):
    return Filler(run_directory.load(run_dir), config, seed=0)


@pytest.fixture(scope="module")
def visits(filler, config):
    return Visits(
        filler,
        [Input(f"a/{seed}.png", f"a/{seed}.png", "", lambda s=seed: picture(s)) for seed in (7, 8)],
        config,
    )


def square(side=SIZE, first=8, last=16):
    hidden = np.zeros((side, side), bool)
    hidden[first:last, first:last] = True
    return hidden


def stroke(*pixels):
    layer = np.zeros((canvas.SIDE, canvas.SIDE, 4), np.uint8)
    for row, column in pixels:
        layer[row, column] = (*canvas.COLOUR, 1)
    return layer


def last(iterator):
    *_, result = iterator
    return result


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class TestCanvas:
    @pytest.mark.parametrize("side", [8, 28, 64, 300])
    @pytest.mark.parametrize("name", sorted(set(READY.values()) - {""}))
    def test_ready_made_hole_is_its_mask(self, side, name):
        layer = canvas.ready(name, side, side, (3,))
        assert (
            canvas.hole(layer, side, side) == (masks.make(name, side, side, (3,))[..., 0] == 0)
        ).all()

    def test_paint_on_a_corner_hides_the_whole_pixel_and_no_other(self):
        factor, margin = 18, 4  # 28 * 18 = 504 of 512
        for row, column in ((0, 0), (27, 27), (5, 20)):
            top, left = margin + factor * row, margin + factor * column
            for end in (0, factor - 1):
                hidden = canvas.hole(stroke((top + end, left + factor - 1 - end)), 28, 28)
                assert np.argwhere(hidden).tolist() == [[row, column]]

    def test_paint_beside_the_picture_is_none(self):
        hidden = canvas.hole(stroke((4, 4), (0, 0), (511, 300)), 28, 28)
        assert np.argwhere(hidden).tolist() == [[0, 0]]

    def test_paint_travels_unchanged(self):
        layer = np.random.default_rng(0).integers(
            0, 256, (canvas.SIDE, canvas.SIDE, 4), dtype=np.uint8
        )
        assert (canvas.decoded(canvas.encoded(layer)) == layer).all()

    @pytest.mark.parametrize(
        "sent",
        [
            "",
            "data:image/gif;base64,AAAA",
            canvas.PREFIX + "AAAA",
            canvas.PREFIX + "A" * canvas.LONGEST,
            canvas.encoded(np.zeros((canvas.SIDE, canvas.SIDE + 1, 4), np.uint8)),
            canvas.encoded(np.zeros((canvas.SIDE, canvas.SIDE, 4), np.uint8))[:-60],
        ],
        ids=["nothing", "gif", "damaged", "long", "wide", "cut"],
    )
    def test_what_is_no_layer_of_paint_is_a_sentence(self, sent):
        with pytest.raises(ValueError, match="must be a PNG file of 512 x 512 pixels"):
            canvas.decoded(sent)

    def test_large_picture_is_hidden_wherever_it_is_painted(self):
        hidden = canvas.hole(stroke((256, 256)), 1024, 2048)
        rows, columns = map(np.unique, np.nonzero(hidden))
        assert rows.tolist() == [512, 513, 514, 515] and columns.tolist() == [
            1024,
            1025,
            1026,
            1027,
        ]

    def test_ready_made_hole_of_a_photograph_lies_in_its_middle_square(self):
        hidden = canvas.hole(canvas.ready("center", 600, 1000, (0,)), 600, 1000)
        assert abs(hidden.sum() - 300 * 300) < 3000
        assert hidden[300, 500] and not hidden[:140].any() and not hidden[:, :340].any()
        assert canvas.square(600, 1000, 100).sum() == 100 * 100

    @pytest.mark.parametrize(("height", "width"), [(28, 28), (10, 40), (900, 300), (2000, 8)])
    def test_picture_is_enlarged_by_a_whole_factor_or_reduced(self, height, width):
        pixels = np.random.default_rng(0).integers(0, 256, (height, width, 1), dtype=np.uint8)
        shown = canvas.shown(pixels)
        assert max(shown.shape) <= canvas.SIDE and shown.shape[2] == 3
        if max(height, width) <= canvas.SIDE:
            factor = canvas.SIDE // max(height, width)
            assert (shown[::factor, ::factor, :1] == pixels).all() and shown.shape[
                0
            ] == factor * height
        assert canvas.background(pixels).shape == (canvas.SIDE, canvas.SIDE, 4)

    def test_heat_is_brightest_where_the_answers_differ_most_and_gray_around(self):
        uncertainty = np.zeros((4, 4), np.float32)
        uncertainty[1, 1], uncertainty[3, 3] = 0.2, 9
        hidden = np.zeros((4, 4), bool)
        hidden[:2, :2] = True
        heat = canvas.heat(np.full((4, 4, 3), 30, np.uint8), hidden, uncertainty)
        assert heat[1, 1].tolist() == list(canvas.HEAT[-1]) and heat[0, 0].tolist() == list(
            canvas.HEAT[0]
        )
        assert (heat[~hidden] == 138).all()
        luma = np.array(canvas.HEAT) @ [0.299, 0.587, 0.114]
        assert (np.diff(luma) > 30).all()


class TestUpload:
    def test_picture_is_read(self, tmp_path):
        images.write(tmp_path / "a.png", picture(1))
        assert (canvas.read(tmp_path / "a.png", 10_000) == picture(1)).all()

    @pytest.mark.parametrize(
        ("name", "content", "sentence"),
        [
            ("no.png", b"nothing", "no.png is empty or none of"),
            ("cut.png", None, "cut.png cannot be decoded"),
            (
                "large.png",
                (101, 100),
                "at most 0.01 million pixels is required; large.png has 101 x 100; make it",
            ),
            ("bomb.png", (20_000, 20_000), "bomb.png has many more"),
            ("thin.png", (7, 100), "at least 8 x 8 pixels is required; thin.png has 7 x 100"),
        ],
    )
    def test_what_cannot_be_used_is_refused_and_deleted(
        self, visits, tmp_path, name, content, sentence, monkeypatch
    ):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content:
            Image.new("1", content).save(path)
            # Refused by its header: not one pixel is decoded.
            monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000_000)
        else:
            images.write(path, picture(1))
            path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(ValueError, match=re.escape(sentence)):
            visits.uploaded(str(path), "what I paint")
        assert not path.exists()

    def test_upload_is_deleted_and_becomes_the_picture_in_the_colours_of_the_run(
        self, visits, tmp_path
    ):
        images.write(tmp_path / "a.png", picture(1, 40, channels=3))
        values = visits.uploaded(str(tmp_path / "a.png"), "most pixels")
        assert list(tmp_path.iterdir()) == []
        assert values["picture"].pixels.shape == (40, 40, 1)
        choices, chosen = values["ready"]
        assert chosen == "what I paint" and not FINE & {READY[name] for name in choices}
        assert not canvas.decoded(values["canvas"]["layer"])[..., 3].any() and values["note"] == ""

    def test_what_the_network_does_not_see_is_pale(self, visits, tmp_path):
        images.write(tmp_path / "a.png", np.zeros((32, 64, 1), np.uint8))
        values = visits.uploaded(str(tmp_path / "a.png"), "middle")
        background = canvas.decoded(values["canvas"]["picture"])
        assert (background[256, 256] == (0, 0, 0, 255)).all() and background[256, 4, 0] > 100
        assert "middle square" in values["note"]
        hidden = canvas.hole(canvas.decoded(values["canvas"]["layer"]), 32, 64)
        assert hidden[8:24, 24:40].all() and hidden.sum() == 16 * 16


class TestFilling:
    def test_moments_come_while_it_searches_and_known_pixels_are_as_given(self, filler):
        pixels, hidden = picture(7), square()
        *moments, filled = filler.fill(filler.example(pixels, hidden, "a"), filler.search(), 0)
        assert all(isinstance(moment, Moment) for moment in moments) and isinstance(filled, Filled)
        shares = [moment.share for moment in moments]
        assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1 and len(shares) == 21
        assert {moment.frame.shape for moment in moments} == {(168, 338, 1)} and len(
            filled.film
        ) == 21
        assert any((moment.frame != moments[0].frame).any() for moment in moments)
        assert (filled.picture[~hidden] == pixels[~hidden]).all()
        assert (filled.picture[hidden] != pixels[hidden]).any() and filled.steps == 20

    def test_what_is_hidden_is_never_read(self, filler):
        hidden, scrambled = square(), picture(7).copy()
        scrambled[hidden] = 255 - scrambled[hidden]
        several = filler.search_several(3, "poisson")
        results = []
        for pixels in (picture(7), scrambled):
            example = filler.example(pixels, hidden, "a")
            results.append(
                (
                    last(filler.fill(example, filler.search(), 0)),
                    filler.several(example, several, 0),
                )
            )
        (first, answers), (second, others) = results
        assert (first.picture == second.picture).all() and (
            np.stack(first.film) == np.stack(second.film)
        ).all()
        assert (np.stack(answers.pictures) == np.stack(others.pictures)).all()

    def test_other_dice_other_answer_and_restarts_stand_in_columns(self, filler):
        example = filler.example(picture(7), square(first=2, last=26), "a")
        search = filler.search(restarts=2, start="random", steps=4)
        first, again, other = (last(filler.fill(example, search, seed)) for seed in (0, 0, 1))
        assert (first.picture == again.picture).all() and (first.picture != other.picture).any()
        assert first.film[0].shape == (338, 338, 1)

    def test_answers_differ_only_in_the_hole(self, filler):
        pixels, hidden = picture(7), square()
        answers = filler.several(
            filler.example(pixels, hidden, "a"), filler.search_several(3, "poisson"), 0
        )
        assert isinstance(answers, Answers) and len(answers.pictures) == 3
        for one in answers.pictures:
            assert (one[~hidden] == pixels[~hidden]).all()
        spread = np.std(images.to_float(np.stack(answers.pictures)), axis=0)[..., 0] / 2
        assert (answers.uncertainty[~hidden] == 0).all() and (answers.uncertainty[hidden] > 0).any()
        assert (spread[answers.uncertainty == 0] < 1e-6).all()

    def test_photograph_keeps_its_size_and_all_that_is_not_painted(self, filler):
        pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 1), dtype=np.uint8)
        hidden = np.zeros((60, 90), bool)
        hidden[20:40, 35:55] = True
        example = filler.example(pixels, hidden, "a")
        filled = last(filler.fill(example, filler.search(), 0))
        answers = filler.several(example, filler.search_several(2, "paste"), 0)
        for one in (filled.picture, *answers.pictures):
            assert one.shape == pixels.shape and (one[~hidden] == pixels[~hidden]).all()
        assert (filled.picture[hidden] != pixels[hidden]).any()
        assert (answers.uncertainty[~hidden] == 0).all() and answers.uncertainty[hidden].max() > 0

    def test_who_leaves_ends_the_search_and_the_next_one_is_served(self, filler):
        example = filler.example(picture(7), square(), "a")
        search = filler.search(steps=5000)
        watched = filler.fill(example, search, 0)
        next(watched)
        watched.close()
        began = time.perf_counter()
        expected = last(filler.fill(example, filler.search(), 0))
        assert time.perf_counter() - began < 5
        # Two at a time take turns, and each has its own answer.
        first, second = (filler.fill(example, filler.search(), seed) for seed in (0, 1))
        next(first), next(second)
        assert (last(first).picture == expected.picture).all() and (
            last(second).picture != expected.picture
        ).any()

    def test_settings_that_do_not_go_together_are_refused(self, filler):
        with pytest.raises(ValueError, match="start_draws must be at least --restarts"):
            filler.search(restarts=9)

    def test_graphs_are_traced_once(self, run_dir, config):
        filler = Filler(run_directory.load(run_dir), config, seed=0)
        filler.warm_up(picture(1))
        filler.one_at_a_time.submit(int).result()
        traced = filler.inpainter.cache_info().misses
        assert traced == 2
        example = filler.example(picture(7), square(), "a")
        last(filler.fill(example, filler.search(steps=20, blend="poisson"), 0))
        filler.several(example, filler.search_several(3, "poisson"), 0)
        assert filler.inpainter.cache_info().misses == traced


class TestVisits:
    SETTINGS = (20, 0.1, 1, "paste", 3, 0)

    def test_a_picture_is_picked_and_a_hole_of_it_filled(self, visits):
        begun = visits.picked(1, "left half")
        assert (begun["picture"].pixels == picture(8)).all() and begun["ready"] == (
            list(READY),
            "left half",
        )
        hidden = np.arange(SIZE)[None] < SIZE // 2
        first, *searching, found, several = visits.fill(
            begun["canvas"]["layer"], begun["picture"], *self.SETTINGS
        )
        assert first["working"] and not first["how"]
        assert (
            all(set(moment) == {"film", "status"} for moment in searching) and len(searching) == 21
        )
        assert re.fullmatch(
            r"Filled in .* s, after 20 steps .* 50% of the pixels are exactly .*", several["status"]
        )
        given, filled, original = (
            found[name][9::18, 9::18, :1] for name in ("given", "filled", "original")
        )
        hidden = np.broadcast_to(hidden[..., None], original.shape)
        assert (original == picture(8)).all() and (given[hidden] == 127).all()
        assert (filled[~hidden] == original[~hidden]).all() and (
            filled[hidden] != original[hidden]
        ).any()
        assert len(several["answers"]) == 3 and several["heat"].shape == (504, 504, 3)
        mean, most = several["scale"]
        assert 0 < mean < most < 1

    def test_files_to_save_are_whole_and_then_gone(self, visits):
        begun = visits.picked(0, "middle")
        for moment in visits.fill(
            begun["canvas"]["layer"], begun["picture"], *self.SETTINGS[:4], 0, 0
        ):
            if "save_picture" in moment:
                saved, film = Path(moment["save_picture"]), Path(moment["save_film"])
                assert (saved.name, film.name) == ("7_filled.png", "7_search.gif")
                pixels = images.read(saved)
                with Image.open(film) as frames:
                    # Pillow merges frames that are alike.
                    assert 1 < frames.n_frames <= 25 and frames.size == (338, 168)
        hidden = square(first=7, last=21)
        assert (pixels[~hidden] == picture(7)[~hidden]).all() and (
            pixels[hidden] != picture(7)[hidden]
        ).any()
        assert not saved.exists() and not film.exists() and "answers" not in moment

    @pytest.mark.parametrize("painted", [stroke(), stroke((2, 2))])
    def test_nothing_painted_is_a_sentence(self, visits, painted):
        chosen = visits.picked(0, "middle")["picture"]
        with pytest.raises(ValueError, match="Nothing is painted yet .*; paint over a part"):
            next(visits.fill(canvas.encoded(painted), chosen, *self.SETTINGS))

    def test_paint_on_what_is_pale_is_none(self, visits):
        pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 1), dtype=np.uint8)
        painted = canvas.encoded(stroke((256, 10), (256, 256)))
        moment = next(
            m for m in visits.fill(painted, Picture("p", pixels), *self.SETTINGS) if "given" in m
        )
        assert (moment["given"] != moment["original"]).any()
        assert (moment["given"][:, :128] == moment["original"][:, :128]).all()

    def test_where_nothing_is_known_the_page_says_so(self, visits):
        everything = np.full((canvas.SIDE, canvas.SIDE, 4), 255, np.uint8)
        chosen = visits.picked(0, "middle")["picture"]
        moments = visits.fill(canvas.encoded(everything), chosen, *self.SETTINGS[:4], 0, 0)
        assert "made up" in last(moments)["status"]


@pytest.fixture(scope="module")
def served(run_dir):
    config = PaintConfig(run_dir=run_dir, port=free_port(), **SEARCH)
    server = paint.serve(config)
    yield config, server
    server.close(verbose=False)


class TestPage:
    def test_nothing_is_loaded_from_elsewhere_and_nobody_is_told(self, served):
        config, server = served
        text = urllib.request.urlopen(server.local_url).read().decode()
        text += urllib.request.urlopen(f"{server.local_url}theme.css").read().decode() + style.CSS
        loaded = re.findall(
            r"""(?:<(?:script|link|img|iframe)[^>]*?(?:src|href)=|url\(|@import )["']?([^"')> ]+)""",
            text,
        )
        assert loaded
        assert [
            place
            for place in loaded
            if re.match(r"(https?:)?//", place) and "127.0.0.1" not in place
        ] == []
        assert style.THEME._stylesheets == []
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False" and not server.analytics_enabled
        assert not server.share and not server.run_history and server.footer_links == []

    def test_it_listens_on_the_loopback_only_and_bounds_what_comes_in(self, served):
        config, server = served
        assert PaintConfig().host == "127.0.0.1" and server.server_name == "127.0.0.1"
        assert server.max_file_size == 12_000_000 and server._queue.max_size == config.most_waiting
        # Nothing that Gradio would decode by itself: a picture comes as a file to be read, and paint as a text.
        given = {
            type(part).__name__ for function in server.fns.values() for part in function.inputs
        }
        assert given <= {"HTML", "State", "Slider", "Radio", "UploadButton"}
        searches = [function for function in server.fns.values() if function.name == "fill"]
        assert [function.concurrency_limit for function in searches] == [1]
        assert all(
            function.api_visibility == "private" for function in server.fns.values() if function.fn
        )
        assert server.delete_cache is not None

    def test_a_file_that_is_too_large_is_refused(self, served):
        _, server = served
        body = (
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
            + bytes(12_100_000)
        )
        request = urllib.request.Request(
            f"{server.local_url}gradio_api/upload", body + b"\r\n--x--\r\n"
        )
        request.add_header("Content-Type", "multipart/form-data; boundary=x")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == 413

    def test_taken_port_is_a_sentence(self, served, visits):
        config, _ = served
        with pytest.raises(
            OSError, match=f"--port must be free .* {config.port} at 127.0.0.1 is not; pass another"
        ):
            layout.serve(layout.build(visits, config), config)

    def test_sliders_begin_where_the_flags_say(self, visits, run_dir):
        config = PaintConfig(
            run_dir=run_dir, steps=450, prior_weight=2.0, blend="feather", restarts=9, samples=15
        )
        blocks = layout.build(visits, config)
        values = {
            block.label: block.value for block in blocks.blocks.values() if hasattr(block, "value")
        }
        assert (values["Steps"], values["Weight of the prior"], values["Blending"]) == (
            450,
            2.0,
            "feather",
        )
        assert (values["Restarts"], values["Other answers"]) == (9, 15)

    def test_errors_are_sentences_and_no_markup(self, caplog):
        with pytest.raises(gr.Error) as refused, layout.spoken():
            raise ValueError("<b>.png is no picture; choose another.")
        assert refused.value.message == html.escape("<b>.png is no picture; choose another.")
        with pytest.raises(gr.Error) as failed, layout.spoken():
            raise RuntimeError("inner workings")
        assert "inner" not in failed.value.message and "inner workings" in caplog.text

    def test_everything_that_is_shown_has_its_part(self, visits):
        begun = visits.picked(0, "middle")
        shown = set()
        for moment in visits.fill(begun["canvas"]["layer"], begun["picture"], *TestVisits.SETTINGS):
            shown |= set(moment)
        assert shown == layout.SHOWN


@pytest.mark.slow
def test_command_serves_until_it_is_told_to_end_and_leaves_no_file(run_dir, tmp_path):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "tf_inpaint.paint",
        f"--run_dir={run_dir}",
        f"--port={port}",
        "--samples=0",
    ]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert (
            process.stdout.readline()
            == f"Open http://127.0.0.1:{port}/ in a browser; Ctrl-C ends it.\n"
        )
        settings = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/config").read())
        assert settings["title"] == "Paint a hole"
        assert any(path.is_file() for path in tmp_path.rglob("*"))
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert list(tmp_path.iterdir()) == []
