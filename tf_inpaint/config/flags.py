"""The settings of a command as command-line flags, as a flagfile and as JSON.

A field of the command's dataclass describes its flag completely (`settings.fields.setting`). Flags
are checked before TensorFlow is imported, so that a wrong flag is reported at once.
"""

import dataclasses
import json
import os
import re
import shlex
import textwrap
from collections.abc import Sequence
from typing import Any, TypeVar

from tf_inpaint.settings.fields import as_text, is_switch, limits, type_of, unset_text

Config = TypeVar("Config")

BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
"""Spellings of true and false on a command line."""


def to_json(config: Any) -> str:
    """The config as a JSON object with one field a line. `from_json` reads it."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(config_class: type[Config], text: str | bytes) -> Config:
    """The config that `to_json` wrote. A field that is missing gets its default.

    A field is missing where an older version, which did not have the field, wrote the text.

    Raises:
        ValueError: the text is no JSON object, a field is unknown, or the config refuses a value.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: nested a thousand deep
        raise ValueError(
            f"A config must be JSON; received text that is not: {error}; restore it."
        ) from None
    if not isinstance(values, dict):
        raise ValueError(f"A config must be a JSON object; received {values!r}; restore it.")
    fields = {field.name: field for field in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in fields:
            raise ValueError(
                f"A {config_class.__name__} must have known fields only; received {name!r}; "
                "remove it, or use the version of tf_inpaint that wrote it."
            )
        if type_of(fields[name]) is tuple and isinstance(value, list):
            values[name] = tuple(value)
    return config_class(**values)


def command(module: str, config: Any) -> str:
    """The command line that `parse` turns into this config.

    Args:
        module: a module such as `tf_inpaint.complete`.
        config: a dataclass of settings.
    """
    words = ["python", "-m", module]
    positional: list[str] = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default:
            continue
        if "positional" in field.metadata:
            dashed = any(item.startswith("-") for item in value)
            positional = [f"--{field.name}={item}" if dashed else item for item in value]
        else:
            words.append(f"--{field.name}={as_text(value)}")
    return shlex.join(words + positional)


def to_flags(config: Any) -> str:
    """The config as a flagfile with one `--name=value` a line. `parse` reads it with `--flagfile`.

    Raises:
        ValueError: a text holds a line break or ends in a space, which a flagfile cannot hold.
    """
    text = ""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        for item in value if "positional" in field.metadata else [value]:
            line = f"--{field.name}={as_text(item, unset_text(field))}"
            if line != line.rstrip() or "\n" in line or "\r" in line:
                raise ValueError(
                    "A flagfile must have one flag a line and no space at the end of a line; "
                    f"received {line!r}; rename the file or folder in it."
                )
            text += line + "\n"
    return text


def differing(first: Any, second: Any) -> list[str]:
    """The names of the fields in which two configs of one class differ."""
    names = [field.name for field in dataclasses.fields(first)]
    return [name for name in names if getattr(first, name) != getattr(second, name)]


def parse(config_class: type[Config], argv: Sequence[str]) -> Config:
    """The config that a command line describes.

    A later flag overrides an earlier one. `--flagfile=FILE` stands for the lines of the file. A
    path may begin with ~, the home folder: shells do not replace the ~ of `--name=~/folder`.

    Args:
        config_class: a frozen dataclass of settings that calls `validate`.
        argv: the arguments, without the name of the program.

    Raises:
        ValueError: a flag is unknown, a flagfile cannot be read, an argument has no flag though the
            command takes none, or the config refuses a value.
    """
    fields = dataclasses.fields(config_class)  # type: ignore[arg-type]
    texts, positional = _split(fields, argv)
    values: dict[str, Any] = {}
    for field in fields:
        text = texts[field.name]
        if "positional" in field.metadata:
            items = (*(text or ()), *positional)
            values[field.name] = tuple(_expanded(field, item) for item in items)
            positional = []
        elif text is not None:
            values[field.name] = _from_text(field, text)
    if positional:
        raise ValueError(
            "This command must be given flags only, as --name=value; "
            f"received {positional[0]!r}; see --help."
        )
    return config_class(**values)


def _split(
    fields: Sequence[dataclasses.Field], argv: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """The text of every flag, `None` if the flag is not given, and the words that are no flags."""
    from absl import flags

    values = flags.FlagValues()
    for field in fields:
        # absl only splits the command line. Values stay text until `validate` checks them.
        flag_class: Any = flags.MultiFlag if "positional" in field.metadata else flags.Flag
        boolean = type_of(field) is bool or is_switch(field)
        flag = flag_class(flags.ArgumentParser(), None, field.name, None, None, boolean=boolean)
        flags.DEFINE_flag(flag, values)
    if {"--flagfile=", "-flagfile="} & set(argv):
        # absl ignores an empty name, and with an unset shell variable other settings would be used.
        raise ValueError(
            "--flagfile must name a file; received an empty name; pass one, or leave it out."
        )
    try:
        _, *positional = values(["", *argv])
    except (flags.CantOpenFlagFileError, UnicodeDecodeError) as error:
        reason = error.__context__ or error
        raise ValueError(
            f"--flagfile must name a text file; received: {reason}; check it."
        ) from None
    except flags.UnrecognizedFlagError as error:
        suggestion = re.search(r"Did you mean: (.*) \?", str(error))
        remedy = f"did you mean --{suggestion[1]}?" if suggestion else "--help lists them."
        raise ValueError(
            f"A flag must be one of this command's; received --{error.flagname}; {remedy}"
        ) from None
    except (flags.Error, ValueError) as error:
        raise ValueError(
            f"A flag must be written --name=value; received: {error}; see --help."
        ) from None
    return {field.name: values[field.name].value for field in fields}, positional


def describe(config_class: type, usage: str | None) -> str:
    """The text of `--help`: the usage, then every flag with its default, meaning and limits."""
    lines = [(usage or "").strip(), "", "Flags, with their defaults:"]
    for field in dataclasses.fields(config_class):
        head = f"--{field.name}={as_text(field.default, unset_text(field))}"
        if "positional" in field.metadata:
            head = f"{field.name.upper()} ..."
        elif type_of(field) is bool:
            head = f"--[no]{field.name}"
        range_text = f" ({limits(field)})" if limits(field) else ""
        meaning = field.metadata["help"] + range_text
        lines += ["  " + head, textwrap.indent(textwrap.fill(meaning, 90), " " * 8)]
    lines += ["  --flagfile=FILE", " " * 8 + "read flags from FILE, one a line; # is a comment"]
    return "\n".join(lines)


def _from_text(field: dataclasses.Field, text: str) -> Any:
    """The value written after `--name=`, or the text itself, for `validate` to refuse."""
    field_type = type_of(field)
    if field.default is None and text.lower() in ("", "none"):
        return None
    if field_type is bool:
        return BOOLEANS.get(text.lower(), text)
    if field_type is tuple:
        return tuple(_expanded(field, item) for item in text.split(",")) if text else ()
    try:
        return field_type(_expanded(field, text))
    except ValueError:
        return text


def _expanded(field: dataclasses.Field, text: str) -> str:
    """A path with the home folder in place of ~, also after `folder:` and `npz:`."""
    if "path" not in field.metadata:
        return text
    form = next(form for form in ("folder:", "npz:", "") if text.startswith(form))
    return form + os.path.expanduser(text.removeprefix(form))
