"""Image files in a request: hidden pixels are painted over, and each image has its own error."""

import io

import numpy as np
import pytest
from fake_model import new_client, predict
from photographs import new_item, noise
from serving_double import Refusal

from tf_inpaint.files import images
from tf_inpaint.inputs.mask_sources import new_mask_source
from tf_inpaint.inputs.masked_images import GRAY
from tf_inpaint.inputs.seeds import served_seed
from tf_inpaint.serving.file_requests import encode_png, masked_picture, request_completions

ITEMS = [new_item(noise(9, 12, 3), "a.png"), new_item(noise(8, 8), "b.png")]
LEFT = new_mask_source("left", 0).known_of


def broken():
    """Reads no picture."""
    raise ValueError("A readable picture is required; c.png is none; replace it.")


def answers_of(double, items, known_of=LEFT):
    """Returns the answers for some images with the seed 5."""
    with new_client(double) as client:
        return list(request_completions(items, known_of, client, "complete_encoded", 5))


def test_hidden_pixels_are_gray():
    """A picture is sent at its own size, without the pixels of its hole."""
    picture, known = masked_picture(ITEMS[0], LEFT)
    assert picture.shape == (9, 12, 3) and known.shape == (9, 12, 1)
    assert (picture[:, :6] == GRAY).all()
    np.testing.assert_array_equal(picture[:, 6:], noise(9, 12, 3)[:, 6:])
    with pytest.raises(ValueError, match="the image is 12 x 9 and the mask 8 x 7; resize the mask"):
        masked_picture(ITEMS[0], lambda item, size: np.ones((7, 8, 1), np.float32))


@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_lossless(channels):
    """The file holds the pixels of the picture."""
    picture = noise(9, 12, channels)
    np.testing.assert_array_equal(images.read(io.BytesIO(encode_png(picture))), picture)


def test_answers_belong_to_their_images(double):
    """One request for all images that can be read, each with its own seed."""
    unreadable = new_item(noise(), "c.png")._replace(read=broken)
    failed, *complete = answers_of(double, [ITEMS[0], unreadable, ITEMS[1]])
    assert failed.input == unreadable and failed.error.startswith("c.png: A readable picture")
    assert len(double.requests) == 1
    for answer, item in zip(complete, ITEMS, strict=True):
        seed = served_seed(5, item.key)
        assert (answer.input, answer.error) == (item, "")
        assert answer.energy == pytest.approx(seed / 7, rel=1e-6)
        completion, known = images.read(io.BytesIO(answer.png)), masked_picture(item, LEFT)[1]
        np.testing.assert_array_equal(completion, np.where(known > 0, item.read(), seed % 251))


def test_no_readable_image_needs_no_request(double):
    """A batch without a readable image is not sent."""
    (answer,) = answers_of(double, [ITEMS[0]._replace(read=broken)])
    assert answer.error and double.requests == []


def test_a_refused_request_is_an_error_of_all_its_images(double, monkeypatch):
    """The error of a request is that of every image in it."""

    def refuse(signature, inputs):
        raise Refusal(500, "Matrix is not invertible")

    monkeypatch.setattr(double, "predict", refuse)
    answers = answers_of(double, ITEMS)
    assert [answer.input for answer in answers] == ITEMS
    for answer, item in zip(answers, ITEMS, strict=True):
        assert answer.error.startswith(item.file + ": ")
        assert "500: Matrix is not invertible" in answer.error


def test_row_errors_and_unreadable_answers_are_errors_of_their_image(double, monkeypatch):
    """An answer is checked before it is written."""

    def predict_badly(signature, inputs):
        outputs = predict(signature, inputs)
        outputs["errors"][0] = b"the image is too plain; take another"
        outputs["image_bytes"][1] = b"no picture"
        return outputs

    monkeypatch.setattr(double, "predict", predict_badly)
    first, second = answers_of(double, ITEMS)
    assert first.error == "a.png: the image is too plain; take another"
    assert second.error.startswith("b.png: ") and "the server's answer is empty" in second.error
