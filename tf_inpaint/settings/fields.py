"""How a setting is declared, and how its value is checked.

A setting is a field of a frozen dataclass that carries its help text, its choices and its range.
Nothing here imports TensorFlow.
"""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    tuple: "texts",
}
"""Names of the types of settings, as errors call them."""

SWITCH = ("auto", "true", "false")
"""Choices of a setting that is on, off, or on where it pays. `--name` and `--noname` are spellings
of true and false, as for a setting of type bool."""

LIMIT_NAMES = {"minimum": "at least", "above": "above", "below": "below", "maximum": "at most"}


def setting(default: Any, help: str, **rules: Any) -> Any:
    """Declares a dataclass field that is also a command-line flag.

    Args:
        default: the value when the flag is left out. A field with the default `None` is optional.
        help: the meaning of the flag, for `--help`.
        **rules: any of `choices` (a tuple), `minimum` and `maximum` (inclusive), `above` and
            `below` (exclusive), `path=True` for paths, in which a command line may write ~ for the
            home folder, `positional=True` for the one field that takes the arguments without a
            flag, and `unset` for the text that stands for `None`, instead of "none".
    """
    return dataclasses.field(default=default, metadata={"help": help, **rules})


def validate(settings: Any) -> None:
    """Checks the type, the choices and the range of every field of a dataclass.

    A whole number in a field of type float becomes a float, true or false in a field with the
    choices `SWITCH` becomes its text, and the text `unset` of an optional field becomes `None`.

    Raises:
        ValueError: a field has a wrong type, is not finite, is out of its range or is not one of
            its choices.
    """
    for field in dataclasses.fields(settings):
        field_type, value = type_of(field), getattr(settings, field.name)
        if value is not None and value == field.metadata.get("unset"):
            value = None
            object.__setattr__(settings, field.name, value)
        if value is None and field.default is None:
            continue
        if field_type is float and type(value) is int and abs(value) <= 2**53:
            value = float(value)
            object.__setattr__(settings, field.name, value)
        if is_switch(field) and type(value) is bool:
            value = as_text(value)
            object.__setattr__(settings, field.name, value)
        if not is_allowed(field_type, value, field.metadata):
            type_name = [] if "choices" in field.metadata else [TYPE_NAMES[field_type]]
            required = ", ".join(filter(None, [*type_name, limits(field)]))
            default = as_text(field.default, unset_text(field)) or "its default"
            raise ValueError(
                f"--{field.name} must be {required}; received {value!r}; "
                f"leave it out for {default}."
            )


def check_items(name: str, items: Sequence[str], known: Sequence[str], form: str = "") -> None:
    """Refuses a list with an unknown item.

    Args:
        name: the name of the setting.
        items: the value of the setting.
        known: the allowed items.
        form: a form of further items, such as MODULE:FUNCTION. With a form, any item with one
            colon between two names is allowed.

    Raises:
        ValueError: an item is unknown.
    """
    unknown = [
        item
        for item in items
        if item not in known and not (form and re.fullmatch(r"[\w.]+:\w+", item))
    ]
    if unknown:
        choices = ",".join(filter(None, [*known, form]))
        raise ValueError(
            f"--{name} must be any of {choices}; received {unknown[0]!r}; correct or remove it."
        )


def is_switch(field: dataclasses.Field) -> bool:
    """Whether the field has the choices `SWITCH`."""
    return field.metadata.get("choices") == SWITCH


def type_of(field: dataclasses.Field) -> type:
    """The type of a field's values: `float` of `float | None`, `tuple` of `tuple[str, ...]`."""
    if isinstance(field.type, types.UnionType):
        return typing.get_args(field.type)[0]
    return typing.get_origin(field.type) or field.type  # type: ignore[return-value]


def is_allowed(field_type: Any, value: Any, rules: Mapping[str, Any]) -> bool:
    """Whether a value has the type of its field and keeps to the rules of `setting`."""
    if type(value) is not field_type:  # isinstance would take True for a whole number
        return False
    if field_type is tuple:
        return all(isinstance(item, str) for item in value)
    if field_type is float and not math.isfinite(value):
        return False
    return (
        value in rules.get("choices", [value])
        and ("minimum" not in rules or value >= rules["minimum"])
        and ("above" not in rules or value > rules["above"])
        and ("below" not in rules or value < rules["below"])
        and ("maximum" not in rules or value <= rules["maximum"])
    )


def limits(field: dataclasses.Field) -> str:
    """The choices or the range of a field, in words."""
    if "choices" in field.metadata:
        return "one of " + ", ".join(map(str, field.metadata["choices"]))
    return " and ".join(
        f"{words} {field.metadata[key]}"
        for key, words in LIMIT_NAMES.items()
        if key in field.metadata
    )


def unset_text(field: dataclasses.Field) -> str:
    """The text that stands for `None` in an optional field."""
    return field.metadata.get("unset", "none")


def as_text(value: Any, unset: str = "none") -> str:
    """A value as it is written after `--name=`; `unset` stands for `None`."""
    if value is None:
        return unset
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
