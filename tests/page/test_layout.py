"""The parts of the page."""

from page_inputs import FILL_SETTINGS

from tf_inpaint.config import PaintConfig
from tf_inpaint.page import layout
from tf_inpaint.page.events import FILL_OUTPUTS


def test_sliders_start_at_the_values_of_the_flags(controller, run_dir):
    config = PaintConfig(
        run_dir=run_dir,
        steps=450,
        prior_weight=2.0,
        blend="feather",
        restarts=9,
        samples=15,
        grow_mask=-30,
    )
    blocks = layout.build(controller, config)
    values = {
        block.label: block.value for block in blocks.blocks.values() if hasattr(block, "value")
    }
    assert (values["Steps"], values["Weight of the prior"]) == (450, 2.0)
    assert values["Blending"] == "feather"
    assert (values["Restarts"], values["Alternatives"], values["Grow the hole"]) == (9, 15, -30)


def test_every_value_of_a_search_has_a_part(controller):
    values = controller.choose_picture(0, "middle")
    names = set()
    for update in controller.fill(values["canvas"]["layer"], values["picture"], *FILL_SETTINGS):
        names |= set(update)
    assert names == set(FILL_OUTPUTS)
