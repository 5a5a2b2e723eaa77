"""The actions of the page: choosing, uploading and filling a picture, masks, and saving."""

import base64
import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
from page_inputs import FILL_SETTINGS, last, paint_layer, square_hole
from PIL import Image
from tiny import SIZE, picture

from tf_inpaint.compositing.mask_growth import grow
from tf_inpaint.files import heat_maps, images
from tf_inpaint.inputs.mask_reading import MaskReader
from tf_inpaint.inputs.mask_sources import AlphaMask, MaskFile
from tf_inpaint.inputs.masked_images import ExampleMaker
from tf_inpaint.inputs.named_images import Input
from tf_inpaint.page import canvas
from tf_inpaint.page.controller import FINE_MASKS, HOLES, Controller
from tf_inpaint.page.page_picture import Picture


class TestUpload:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("no.png", b"nothing", "no.png is empty or none of"),
            ("cut.png", None, "cut.png cannot be decoded"),
            (
                "large.png",
                (101, 100),
                "at most 0.01 million pixels is required; large.png has 101 x 100; make the",
            ),
            ("bomb.png", (20_000, 20_000), "bomb.png has many more"),
            ("thin.png", (7, 100), "at least 8 x 8 pixels is required; thin.png has 7 x 100"),
        ],
    )
    def test_invalid_file_is_refused_and_deleted(
        self, controller, tmp_path, name, content, message, monkeypatch
    ):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content:
            Image.new("1", content).save(path)
            # The header suffices to refuse this file: no pixel is decoded.
            monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000_000)
        else:
            images.write(path, picture(1))
            path.write_bytes(path.read_bytes()[:-40])
        with pytest.raises(ValueError, match=re.escape(message)):
            controller.upload_picture(str(path), "none")
        assert not path.exists()

    def test_file_is_deleted_and_its_picture_gets_the_colors_of_the_run(self, controller, tmp_path):
        images.write(tmp_path / "a.png", picture(1, 40, channels=3))
        values = controller.upload_picture(str(tmp_path / "a.png"), "most pixels")
        assert list(tmp_path.iterdir()) == []
        assert values["picture"].pixels.shape == (40, 40, 1)
        labels, label = values["hole"]
        assert label == "none" and not FINE_MASKS & {HOLES[name] for name in labels}
        assert not canvas.decode_layer(values["canvas"]["layer"])[..., 3].any()
        assert values["note"] == ""

    def test_part_that_the_network_does_not_see_is_pale(self, controller, tmp_path):
        images.write(tmp_path / "a.png", np.zeros((32, 64, 1), np.uint8))
        values = controller.upload_picture(str(tmp_path / "a.png"), "middle")
        background = canvas.decode_layer(values["canvas"]["picture"])
        assert (background[256, 256] == (0, 0, 0, 255)).all() and background[256, 4, 0] > 100
        assert "middle square" in values["note"]
        layer = canvas.decode_layer(values["canvas"]["layer"])
        hidden = canvas.painted_pixels(layer, 32, 64)
        assert hidden[8:24, 24:40].all() and hidden.sum() == 16 * 16

    @pytest.mark.parametrize("keep", [False, True])
    def test_file_of_the_page_itself_is_kept(self, controller, tmp_path, keep):
        images.write(tmp_path / "a.png", picture(1))
        controller.upload_picture(str(tmp_path / "a.png"), "none", keep)
        assert (tmp_path / "a.png").exists() == keep

    @pytest.mark.parametrize("side", [SIZE, 40])
    def test_transparent_part_is_the_hole_as_in_complete(self, controller, tmp_path, side):
        path = tmp_path / "a.png"
        alpha = np.where(square_hole(side), 90, 180).astype(np.uint8)
        Image.fromarray(np.dstack([picture(1, side), alpha])).save(path)
        item = Input("a.png", "a.png", "a", lambda: images.read(path), path)
        known = AlphaMask(MaskReader()).known_of(item, (SIZE, SIZE))
        values = controller.upload_picture(str(path), "middle")
        assert values["note"] == "The transparent part is the hole."
        assert values["hole"][1] is None
        hidden = controller.hidden_pixels(values["canvas"]["layer"], values["picture"])
        np.testing.assert_array_equal(hidden, known[..., 0] == 0)

    @pytest.mark.parametrize(("alpha", "note"), [(255, ""), (128, "transparent enough")])
    def test_opaque_picture_gets_the_ready_made_hole(self, controller, tmp_path, alpha, note):
        levels = np.dstack([picture(1), np.full((SIZE, SIZE), alpha, np.uint8)])
        Image.fromarray(levels).save(tmp_path / "a.png")
        values = controller.upload_picture(str(tmp_path / "a.png"), "left half")
        assert note in values["note"] and bool(note) == bool(values["note"])
        assert values["hole"][1] == "left half"


def write_mask(path, hidden):
    """Writes a mask file. Returns its path as a text."""
    images.write(path, np.where(hidden, 0, 255).astype(np.uint8)[..., None])
    return str(path)


def saved_mask(controller, layer_url, chosen, folder):
    """Saves the painted hole as a visitor does. Returns the path of the file."""
    file = controller.save_mask(layer_url, chosen)["mask_file"]
    path = folder / file["name"]
    path.write_bytes(base64.b64decode(file["source"].removeprefix(canvas.PNG_PREFIX)))
    return path


class TestMasks:
    @pytest.mark.parametrize("grow_mask", [0, 3, -2])
    @pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (40, 64), (600, 560)])
    def test_saved_mask_hides_the_same_pixels_again_and_in_complete(
        self, search, config, tmp_path, height, width, grow_mask
    ):
        # Paint over a picture.
        controller = Controller(search, [], dataclasses.replace(config, most_pixels=10**6))
        images.write(tmp_path / "photo.png", np.full((height, width, 1), 99, np.uint8))
        chosen = controller.upload_picture(str(tmp_path / "photo.png"), "none")["picture"]
        spots = np.random.default_rng(0).integers(0, canvas.SIDE, (9, 2))
        layer = paint_layer(*spots)
        layer[170:350, 160:330, 3] = 255
        layer_url = canvas.to_data_url(layer)
        hidden = controller.hidden_pixels(layer_url, chosen, grow_mask)

        # Save the hole, and complete the picture with the file.
        path = saved_mask(controller, layer_url, chosen, tmp_path)
        assert path.name == "photo_mask.png" and images.read(path).shape == (height, width, 1)
        item = Input("photo.png", "photo.png", "photo", lambda: chosen.pixels)
        mask = MaskFile(str(path), MaskReader(grow_pixels=grow_mask))
        known = ExampleMaker(SIZE, 1).example(item, mask.known_of).known
        visible = controller.visible_part(chosen)
        np.testing.assert_array_equal((known[..., 0] == 0) & visible, hidden)
        if grow_mask <= 0:
            np.testing.assert_array_equal(known[..., 0] == 0, hidden)

        # Load the file.
        loaded = controller.upload_mask(str(path), chosen)
        assert not path.exists() and loaded["hole"][1] is None
        again = controller.hidden_pixels(loaded["canvas"]["layer"], loaded["picture"], grow_mask)
        np.testing.assert_array_equal(again, hidden)

    def test_mask_of_the_size_of_the_network_reduces_the_picture_as_in_complete(
        self, controller, tmp_path
    ):
        images.write(tmp_path / "a.png", picture(1, 64))
        chosen = controller.upload_picture(str(tmp_path / "a.png"), "none")["picture"]
        mask = write_mask(tmp_path / "m.png", square_hole())
        item = Input("a.png", "a.png", "a", lambda: picture(1, 64))
        expected = ExampleMaker(SIZE, 1).example(item, MaskFile(mask, MaskReader()).known_of)
        values = controller.upload_mask(mask, chosen)
        assert values["note"] == "The picture now has the size of the mask, 28 x 28."
        example = controller.search.example(
            values["picture"].pixels,
            controller.hidden_pixels(values["canvas"]["layer"], values["picture"]),
            "a.png",
        )
        np.testing.assert_array_equal(example.masked, expected.masked)
        np.testing.assert_array_equal(example.known, expected.known)
        assert not example.in_place and values["hole"][0] == list(HOLES)

    @pytest.mark.parametrize("keep", [False, True])
    def test_mask_of_another_size_is_refused_in_the_sentence_of_complete(
        self, controller, tmp_path, keep
    ):
        mask = write_mask(tmp_path / "m.png", square_hole(40))
        chosen = controller.choose_picture(0, "none")["picture"]
        item = Input("a", chosen.key, "a", lambda: chosen.pixels)
        with pytest.raises(ValueError) as refused:
            ExampleMaker(SIZE, 1).example(item, MaskFile(mask, MaskReader()).known_of)
        with pytest.raises(ValueError, match=re.escape(str(refused.value))):
            controller.upload_mask(mask, chosen, keep)
        assert (tmp_path / "m.png").exists() == keep

    def test_invert_hides_exactly_the_other_pixels(self, controller):
        values = controller.choose_picture(0, "scribbles")
        layer = values["canvas"]["layer"]
        hidden = controller.hidden_pixels(layer, values["picture"])
        for expected in (~hidden, hidden):
            values = controller.invert_hole(values["canvas"]["layer"], values["picture"])
            inverted = controller.hidden_pixels(values["canvas"]["layer"], values["picture"])
            np.testing.assert_array_equal(inverted, expected)

    def test_canvas_is_shown_anew_although_its_hole_is_the_same(self, controller, tmp_path):
        chosen = controller.choose_picture(0, "none")["picture"]
        first, second = (
            controller.upload_mask(write_mask(tmp_path / "m.png", square_hole()), chosen)["canvas"]
            for _ in range(2)
        )
        assert first["layer"] == second["layer"] and first != second

    def test_hole_without_paint_is_not_saved(self, controller):
        chosen = controller.choose_picture(0, "none")["picture"]
        with pytest.raises(ValueError, match="nothing is painted"):
            controller.save_mask(canvas.to_data_url(paint_layer()), chosen)


class TestForgedValues:
    @pytest.mark.parametrize("index", [-1, 2, 10**400, None, "0", 0.5, [0], {}, "x" * 10**6])
    def test_number_of_no_picture_is_refused(self, controller, index):
        with pytest.raises(ValueError, match="whole number below 2; received .{1,80}; choose"):
            controller.choose_picture(index, "middle")

    @pytest.mark.parametrize("hole", ["center", None, 1, [], {}, "x" * 10**6])
    def test_unknown_hole_is_refused(self, controller, hole):
        chosen = controller.choose_picture(0, "middle")["picture"]
        with pytest.raises(ValueError, match="must be one of none, .*; received .{1,80}; choose"):
            controller.show_hole(chosen, hole)

    @pytest.mark.parametrize("file", [None, 1, [], ["a.png"], {}])
    def test_upload_without_a_file_is_refused(self, controller, file):
        with pytest.raises(ValueError, match="must be one file; received .*; upload a picture"):
            controller.upload_picture(file, "none")

    @pytest.mark.parametrize("value", ["1", 0.5, math.nan, math.inf, -1, 2**63, [1], {}])
    @pytest.mark.parametrize("index", [0, 2, 4, 5])
    def test_setting_that_is_no_whole_number_is_refused(self, controller, index, value):
        values = controller.choose_picture(0, "middle")
        settings = [*FILL_SETTINGS[:index], value, *FILL_SETTINGS[index + 1 :]]
        with pytest.raises(ValueError, match="must be a whole number"):
            next(controller.fill(values["canvas"]["layer"], values["picture"], *settings))


class TestFill:
    def test_hole_of_a_chosen_picture_is_filled(self, controller):
        values = controller.choose_picture(1, "left half")
        assert (values["picture"].pixels == picture(8)).all()
        assert values["hole"] == (list(HOLES), "left half")
        hidden = np.arange(SIZE)[None] < SIZE // 2
        first, *searching, result, sampled = controller.fill(
            values["canvas"]["layer"], values["picture"], *FILL_SETTINGS
        )
        assert first["progress_section"] and not first["explanation_section"]
        assert all(set(update) == {"film", "status"} for update in searching)
        assert len(searching) == 22
        expected = r"Filled in .* s with 20 steps .* 50% of the pixels are unchanged\."
        assert re.fullmatch(expected, sampled["status"])
        known, filled, original = (
            result[name][9::18, 9::18, :1] for name in ("known", "filled", "original")
        )
        hidden = np.broadcast_to(hidden[..., None], original.shape)
        assert (original == picture(8)).all() and (known[hidden] == 127).all()
        assert (filled[~hidden] == original[~hidden]).all()
        assert (filled[hidden] != original[hidden]).any()
        assert len(sampled["alternatives"]) == 3 and sampled["heat"].shape == (504, 504, 3)
        assert (sampled["heat"] == heat_maps.HEAT_COLORS[-1]).all(axis=-1).any()
        mean, largest = sampled["scale"]
        assert 0 < mean < largest < 1

    def test_files_to_save_are_complete_and_then_deleted(self, controller):
        values = controller.choose_picture(0, "middle")
        for update in controller.fill(
            values["canvas"]["layer"], values["picture"], *FILL_SETTINGS[:4], 0, 0
        ):
            if "save_picture" in update:
                saved, film = Path(update["save_picture"]), Path(update["save_film"])
                assert (saved.name, film.name) == ("7_filled.png", "7_search.gif")
                pixels = images.read(saved)
                with Image.open(film) as frames:
                    # Pillow merges equal frames.
                    assert 1 < frames.n_frames <= 25 and frames.size == (338, 168)
        hidden = square_hole(first=7, last=21)
        assert (pixels[~hidden] == picture(7)[~hidden]).all()
        assert (pixels[hidden] != picture(7)[hidden]).any()
        assert not saved.exists() and not film.exists() and "alternatives" not in update

    @pytest.mark.parametrize("layer", [paint_layer(), paint_layer((2, 2))])
    def test_missing_paint_is_refused_in_one_sentence(self, controller, layer):
        chosen = controller.choose_picture(0, "middle")["picture"]
        with pytest.raises(ValueError, match="nothing is painted .*; paint over a part"):
            next(controller.fill(canvas.to_data_url(layer), chosen, *FILL_SETTINGS))

    def test_paint_on_the_pale_part_hides_nothing(self, controller):
        pixels = np.random.default_rng(0).integers(0, 256, (32, 64, 1), dtype=np.uint8)
        layer = canvas.to_data_url(paint_layer((256, 10), (256, 256)))
        updates = controller.fill(layer, Picture("p", pixels), *FILL_SETTINGS)
        values = next(update for update in updates if "known" in update)
        assert (values["known"] != values["original"]).any()
        assert (values["known"][:, :128] == values["original"][:, :128]).all()

    def test_painted_hole_grows_inside_the_visible_part(self, controller):
        values = controller.choose_picture(0, "middle")
        layer, chosen = values["canvas"]["layer"], values["picture"]
        hidden = controller.hidden_pixels(layer, chosen)
        grown = controller.hidden_pixels(layer, chosen, 2)
        expected = grow(1 - hidden[..., None].astype(np.float32), 2)[..., 0] == 0
        np.testing.assert_array_equal(grown, expected)
        updates = controller.fill(layer, chosen, *FILL_SETTINGS[:4], 0, 0, 2.0)
        known = next(update["known"] for update in updates if "known" in update)
        np.testing.assert_array_equal((known == 127).all(axis=2)[9::18, 9::18], grown)
        with pytest.raises(ValueError, match="--grow_mask must be .* at most 100; received 101"):
            next(controller.fill(layer, chosen, *FILL_SETTINGS[:6], 101))

    def test_saved_picture_has_the_format_and_transparency_of_the_upload(
        self, search, config, tmp_path
    ):
        levels = np.dstack([picture(7), np.full((SIZE, SIZE), 200, np.uint8)])
        Image.fromarray(levels).save(tmp_path / "a.tif")
        controller = Controller(search, [], dataclasses.replace(config, format="same"))
        chosen = controller.upload_picture(str(tmp_path / "a.tif"), "none")["picture"]
        layer = canvas.to_data_url(canvas.hole_layer("center", SIZE, SIZE, (0,)))
        for update in controller.fill(layer, chosen, *FILL_SETTINGS[:4], 0, 0):
            if "save_picture" in update:
                with Image.open(update["save_picture"]) as saved:
                    assert (Path(saved.filename).name, saved.mode) == ("a_filled.tif", "LA")
                    written = np.asarray(saved)
        known = ~square_hole(first=7, last=21)
        np.testing.assert_array_equal(written[known], levels[known])
        assert (written[..., 1] == 200).all()

    def test_page_says_that_no_pixel_was_known(self, controller):
        everything = np.full((canvas.SIDE, canvas.SIDE, 4), 255, np.uint8)
        chosen = controller.choose_picture(0, "middle")["picture"]
        updates = controller.fill(canvas.to_data_url(everything), chosen, *FILL_SETTINGS[:4], 0, 0)
        assert "made up" in last(updates)["status"]
