"""A frozen dataclass as the flags of a command, as JSON and as a flagfile.

A field says everything about its flag (`setting`): default, help, choices and range. All of it is checked
before TensorFlow is imported, so a bad flag costs no time.
"""

import dataclasses
import json
import math
import re
import shlex
import textwrap
import types
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

Config = TypeVar("Config")

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "text",
    tuple: "texts",
}
_LIMITS = {"minimum": "at least", "above": "above", "below": "below"}
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


def setting(default: Any, help: str, **rules: Any) -> Any:
    """A dataclass field that is also a flag.

    Args:
      default: the value when the flag is left out; a field whose default is `None` is optional.
      help: what the flag means, for `--help`.
      **rules: any of `choices` (a tuple), `minimum` (inclusive), `above` and `below` (exclusive), and
        `positional=True` for the one field that takes the arguments without a flag.
    """
    return dataclasses.field(default=default, metadata={"help": help, **rules})


def validate(config: Any) -> None:
    """Checks every field's type, choices and range; a whole number in a float's place becomes a float.

    Raises:
      ValueError: a field is of another type, not finite, out of its range or not among its choices.
    """
    for field in dataclasses.fields(config):
        kind, value = _kind(field), getattr(config, field.name)
        if value is None and field.default is None:
            continue
        if kind is float and type(value) is int and abs(value) <= 2**53:
            value = float(value)
            object.__setattr__(config, field.name, value)
        if not _fits(kind, value, field.metadata):
            words = [] if "choices" in field.metadata else [_KINDS[kind]]
            required = ", ".join(filter(None, [*words, _limits(field)]))
            default = _text(field.default) or "its default"
            raise ValueError(
                f"--{field.name} must be {required}; received {value!r}; leave it out for {default}"
            )


def check_items(name: str, items: Sequence[str], known: Sequence[str], form: str = "") -> None:
    """Refuses an item of a list that is not known; with a `form` such as A:B, any that has a colon is taken."""
    unknown = [
        item
        for item in items
        if item not in known and not (form and re.fullmatch(r"[\w.]+:\w+", item))
    ]
    if unknown:
        choices = ",".join(filter(None, [*known, form]))
        raise ValueError(
            f"--{name} must be any of {choices}; received {unknown[0]!r}; correct or remove it"
        )


def to_json(config: Any) -> str:
    """The config as a JSON object, one field a line; `from_json` gives it back."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(config_class: type[Config], text: str) -> Config:
    """The config that `to_json` wrote; a field that an older version did not know has its default.

    Raises:
      ValueError: not a JSON object, an unknown field, or a value that the config refuses.
    """
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(
            f"a config must be JSON; received text that is not: {error}; restore it"
        ) from None
    if not isinstance(given, dict):
        raise ValueError(f"a config must be a JSON object; received {given!r}; restore it")
    known = {field.name: field for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    for name, value in given.items():
        if name not in known:
            raise ValueError(
                f"a {config_class.__name__} must have known fields only; received {name!r}; "
                f"remove it, or use the version of tf_inpaint that wrote it"
            )
        if _kind(known[name]) is tuple and isinstance(value, list):
            given[name] = tuple(value)
    return config_class(**given)


def command(module: str, config: Any) -> str:
    """The command line that `parse` makes this config of: the flags that differ from their defaults.

    Args:
      module: such as `tf_inpaint.complete`.
      config: a dataclass of `setting`s.
    """
    words = ["python", "-m", module]
    last: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        if "positional" in field.metadata:
            dashed = any(item.startswith("-") for item in value)
            last = [f"--{field.name}={item}" if dashed else item for item in value]
        else:
            words.append(f"--{field.name}={_text(value)}")
    return shlex.join(words + last)


def to_flags(config: Any) -> str:
    """The config as a flagfile, one `--name=value` a line; `parse` with `--flagfile` gives it back.

    Raises:
      ValueError: a text holds a line break or ends in a space, which a flagfile cannot hold.
    """
    text = ""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        for item in value if "positional" in field.metadata else [value]:
            line = f"--{field.name}={_text(item)}"
            if line != line.rstrip() or "\n" in line or "\r" in line:
                raise ValueError(
                    f"a flagfile must have one flag a line and no space at a line's end; received {line!r}; "
                    f"rename what it names"
                )
            text += line + "\n"
    return text


def differing(first: Any, second: Any) -> list[str]:
    """The names of the fields in which two configs of one class differ."""
    names = [field.name for field in dataclasses.fields(first)]
    return [name for name in names if getattr(first, name) != getattr(second, name)]


def parse(config_class: type[Config], argv: Sequence[str]) -> Config:
    """The config that a command line describes.

    A later flag overrides an earlier one; `--flagfile=FILE` stands for the lines of the file in its place.

    Args:
      config_class: a frozen dataclass of `setting`s that calls `validate`.
      argv: the arguments, without the program's name.

    Raises:
      ValueError: an unknown flag, a flagfile that cannot be read, an argument without a flag where none is
        taken, or a value that the config refuses.
    """
    from absl import flags

    fields = dataclasses.fields(config_class)  # type: ignore[arg-type]
    values = flags.FlagValues()
    for field in fields:
        # absl only splits the command line. Values stay text, so that `validate` refuses every bad one.
        kind: Any = flags.MultiFlag if "positional" in field.metadata else flags.Flag
        flag = kind(
            flags.ArgumentParser(), None, field.name, None, None, boolean=_kind(field) is bool
        )
        flags.DEFINE_flag(flag, values)
    if {"--flagfile=", "-flagfile="} & set(argv):
        # absl reads it as no flagfile at all, and an unset shell variable would train something else.
        raise ValueError(
            "--flagfile must name a file; received an empty name; pass one, or leave it out"
        )
    try:
        _, *positional = values(["", *argv])
    except (flags.CantOpenFlagFileError, UnicodeDecodeError) as error:
        reason = error.__context__ or error
        raise ValueError(
            f"--flagfile must name a text file; received: {reason}; check it"
        ) from None
    except flags.UnrecognizedFlagError as error:
        meant = re.search(r"Did you mean: (.*) \?", str(error))
        remedy = f"did you mean --{meant[1]}?" if meant else "--help lists them"
        raise ValueError(
            f"flags must be this command's; received --{error.flagname}; {remedy}"
        ) from None
    except (flags.Error, ValueError) as error:
        raise ValueError(
            f"flags must be written --name=value; received: {error}; see --help"
        ) from None

    given: dict[str, Any] = {}
    for field in fields:
        text = values[field.name].value
        if "positional" in field.metadata:
            given[field.name] = (*(text or ()), *positional)
            positional = []
        elif text is not None:
            given[field.name] = _from_text(field, text)
    if positional:
        raise ValueError(
            f"this command must be given flags only, as --name=value; received {positional[0]!r}; see --help"
        )
    return config_class(**given)


def describe(config_class: type, usage: str | None) -> str:
    """What `--help` prints: the usage, then every flag with its default, meaning and limits."""
    lines = [(usage or "").strip(), "", "Flags, with their defaults:"]
    for field in dataclasses.fields(config_class):
        head = f"--{field.name}={_text(field.default)}"
        if "positional" in field.metadata:
            head = f"{field.name.upper()} ..."
        elif _kind(field) is bool:
            head = f"--[no]{field.name}"
        limits = _limits(field)
        meaning = field.metadata["help"] + (f" ({limits})" if limits else "")
        lines += ["  " + head, textwrap.indent(textwrap.fill(meaning, 90), " " * 8)]
    lines += ["  --flagfile=FILE", " " * 8 + "read flags from FILE, one a line; # is a comment"]
    return "\n".join(lines)


def _kind(field: dataclasses.Field) -> type:
    """The type of a field's values: `float` of `float | None`, `tuple` of `tuple[str, ...]`."""
    if isinstance(field.type, types.UnionType):
        return typing.get_args(field.type)[0]
    return typing.get_origin(field.type) or field.type  # type: ignore[return-value]


def _fits(kind: Any, value: Any, rules: typing.Mapping[str, Any]) -> bool:
    if type(value) is not kind:  # not isinstance, for which True is a whole number
        return False
    if kind is tuple:
        return all(isinstance(item, str) for item in value)
    if kind is float and not math.isfinite(value):
        return False
    return (
        value in rules.get("choices", [value])
        and ("minimum" not in rules or value >= rules["minimum"])
        and ("above" not in rules or value > rules["above"])
        and ("below" not in rules or value < rules["below"])
    )


def _limits(field: dataclasses.Field) -> str:
    if "choices" in field.metadata:
        return "one of " + ", ".join(map(str, field.metadata["choices"]))
    return " and ".join(
        f"{words} {field.metadata[key]}" for key, words in _LIMITS.items() if key in field.metadata
    )


def _text(value: Any) -> str:
    """A value as it is written after `--name=`."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _from_text(field: dataclasses.Field, text: str) -> Any:
    """The value written after `--name=`; the text itself where it is none, for `validate` to refuse."""
    kind = _kind(field)
    if field.default is None and text.lower() in ("", "none"):
        return None
    if kind is bool:
        return _BOOLEANS.get(text.lower(), text)
    if kind is tuple:
        return tuple(text.split(",")) if text else ()
    try:
        return kind(text)
    except ValueError:
        return text
