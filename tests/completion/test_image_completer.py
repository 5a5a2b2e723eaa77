"""What completes the images of a job in this process."""

import pytest

from tf_inpaint.completion.image_completer import new_example_maker
from tf_inpaint.config import CompleteConfig, TrainConfig


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"mask": "lowres"}, 4),
        ({"mask": "lowres", "mask_scale": 0.5}, 2),
        ({"mask": "center"}, None),
    ],
)
def test_low_resolution_factor_goes_with_lowres_alone(settings, factor):
    """Only the mask "lowres" has boxes, and their side depends on its scale."""
    maker = new_example_maker(CompleteConfig(**settings), TrainConfig())
    assert maker.low_resolution_factor == factor
