"""Declaring and checking settings."""

import dataclasses

import pytest
from sentences import assert_one_sentence

from tf_inpaint.config import (
    TrainConfig,
)
from tf_inpaint.config.flags import parse, to_flags, to_json
from tf_inpaint.settings.fields import check_items, setting, validate


def test_lists_are_written_with_commas(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class ListConfig:
        masks: tuple[str, ...] = setting(("center",), "masks")

        def __post_init__(self):
            validate(self)

    assert parse(ListConfig, []).masks == ("center",)
    assert parse(ListConfig, ["--masks=left,right"]).masks == ("left", "right")
    assert parse(ListConfig, ["--masks="]).masks == ()
    assert to_flags(ListConfig(("left", "right"))) == "--masks=left,right\n"
    with pytest.raises(ValueError, match="--masks must be texts; received"):
        ListConfig((1,))


def test_whole_number_stands_for_a_float():
    assert to_json(TrainConfig(learning_rate=1)) == to_json(TrainConfig(learning_rate=1.0))


@dataclasses.dataclass(frozen=True)
class Example:
    rate: float = setting(0.5, "a rate", above=0, below=1)
    count: int = setting(3, "a count", minimum=1)
    kind: str = setting("a", "a kind", choices=("a", "b"))
    limit: int | None = setting(None, "a limit", minimum=2, maximum=2**63 - 1)

    def __post_init__(self):
        validate(self)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rate": 0.0}, ["--rate", "above 0 and below 1", "0.0"]),
        ({"rate": 1.0}, ["--rate", "1.0"]),
        ({"rate": float("nan")}, ["--rate", "a finite number"]),
        ({"count": 0}, ["--count", "at least 1", "leave it out for 3."]),
        ({"count": True}, ["--count", "a whole number", "True"]),
        ({"count": None}, ["--count", "None"]),
        ({"kind": "c"}, ["--kind", "one of a, b", "'c'"]),
        ({"limit": 1}, ["--limit", "at least 2"]),
        ({"limit": 2**63}, ["--limit", "at most 9223372036854775807", "9223372036854775808"]),
        ({"limit": 10**30}, ["--limit", "at most"]),
    ],
)
def test_wrong_value_is_refused_by_name(changes, words):
    with pytest.raises(ValueError) as refusal:
        Example(**changes)
    assert_one_sentence(refusal.value, words)


def test_limits_are_accepted():
    assert Example(count=1, kind="b", limit=2).limit == 2
    assert Example(limit=None).limit is None
    assert Example(limit=2**63 - 1).limit == 2**63 - 1


@pytest.mark.parametrize(
    ("items", "form", "wrong"),
    [
        (("a", "b"), "", None),
        ((), "", None),
        (("a", "c"), "", "'c'"),
        (("a", "my.module:function"), "MODULE:FUNCTION", None),
        (("my.module:function",), "", "'my.module:function'"),
        (("module:",), "MODULE:FUNCTION", "'module:'"),
    ],
)
def test_items_must_be_known_or_have_the_form(items, form, wrong):
    if wrong is None:
        check_items("names", items, ("a", "b"), form)
    else:
        with pytest.raises(ValueError) as refusal:
            check_items("names", items, ("a", "b"), form)
        assert_one_sentence(refusal.value, ["--names", wrong, "a,b"])
