"""The errors that a visitor sees."""

import html

import gradio as gr
import pytest

from tf_inpaint.page import events


def test_errors_are_sentences_without_markup(caplog):
    with pytest.raises(gr.Error) as refused, events.errors_for_visitors():
        raise ValueError("<b>.png is no picture; choose another.")
    assert refused.value.message == html.escape("<b>.png is no picture; choose another.")
    with pytest.raises(gr.Error) as failed, events.errors_for_visitors():
        raise RuntimeError("inner workings")
    assert "inner" not in failed.value.message and "inner workings" in caplog.text
