"""The journal of a job: one JSON object a line for everything that is done.

A killed job reads its journal and goes on where it stopped.
"""

import json
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_inpaint.files import images


class Journal:
    """A file with one JSON object a line.

    Args:
        path: path of the file. The first call of `append` creates the file.
        fields: names and types of what every object must have.
    """

    def __init__(self, path: Path, fields: Mapping[str, Any] | None = None):
        self.path = path
        self.fields = fields or {}

    def read(self) -> list[dict]:
        """Returns the objects of all lines of a file that was written in one piece.

        Raises:
            ValueError: a line is damaged, so it is unknown what the job wrote.
        """
        return [self.parse(line) for line in self.read_bytes().splitlines()]

    def recover(self) -> list[dict]:
        """Returns the objects of all complete lines, and cuts off a last line without its end.

        The last line is incomplete if the job was killed while it wrote the line.

        Raises:
            ValueError: a line is damaged, so it is unknown what the job wrote.
        """
        data = self.read_bytes()
        complete = data[: data.rfind(b"\n") + 1]
        rows = [self.parse(line) for line in complete.splitlines()]
        if complete != data:
            # The beginning of a row begins as a row does. Other data is not deleted.
            if not data[len(complete) :].startswith(b"{"):
                self.parse(data[len(complete) :])
            with images.atomic(self.path) as temporary:
                temporary.write_bytes(complete)
        return rows

    def read_bytes(self) -> bytes:
        """Returns the content of the file, which is empty if the file does not exist.

        Raises:
            ValueError: the file cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise ValueError(
                "The record of a job must be a file that can be read; received "
                f"{self.path} ({error.strerror}); restore the file, or choose another --out_dir."
            ) from None

    def parse(self, line: bytes) -> dict:
        """Returns the object of one line.

        Raises:
            ValueError: the line is no JSON object, or a field is missing.
        """
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise ValueError(
                f"The record of a job must have a JSON object on every line; {self.path} has "
                f"{line[:40]!r}; restore the file, or choose another --out_dir."
            )
        check_row(row, self.fields, self.path)
        return row

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes one line for each row, and all lines in one piece."""
        text = json_lines(rows)
        with self.path.open("a") as file:
            file.write(text)

    def flush(self) -> None:
        """Writes what `append` has not written yet. Here, `append` writes at once."""

    def replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes the file again, with a line for each row."""
        with images.atomic(self.path) as temporary:
            temporary.write_text(json_lines(rows))

    def remove(self) -> None:
        """Deletes the file if it exists."""
        self.path.unlink(missing_ok=True)


class ObjectJournal(Journal):
    """A journal in an object store, where nothing can be appended to a file.

    The journal is a folder with an object for each call of `flush`. The names of the objects give
    their order.
    """

    def __init__(self, path: Any, fields: Mapping[str, Any] | None = None):
        super().__init__(path, fields)
        self.lines = ""

    def read_bytes(self) -> bytes:
        """Returns the content of all objects. One whose writing was cut counts up to the cut."""
        store = self.path.fs
        names = sorted(store.find(self.path.path))
        contents = store.cat(names) if names else {}
        return b"".join(contents[name][: contents[name].rfind(b"\n") + 1] for name in names)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Notes one line for each row. Call `flush` to write them."""
        self.lines += json_lines(rows)

    def flush(self) -> None:
        """Writes an object with the lines that were noted."""
        if self.lines:
            name = f"{time.time_ns():020}-{secrets.token_hex(4)}.jsonl"
            path = self.path / name
            path.fs.pipe_file(path.path, self.lines.encode())
        self.lines = ""

    def remove(self) -> None:
        """Deletes the objects."""
        self.lines = ""
        if self.path.exists():
            self.path.fs.rm(self.path.path, recursive=True)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns one line of JSON for each row."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def journal_at(path: Any, fields: Mapping[str, Any] | None = None) -> Journal:
    """Returns the journal at a path, on this machine or of a URL; see `Journal`."""
    return (Journal if isinstance(path, os.PathLike) else ObjectJournal)(path, fields)


def check_row(row: Any, fields: Mapping[str, Any], path: Path) -> None:
    """Checks that a row in the record of a job has what the job needs.

    Args:
        row: the row, from a JSON file.
        fields: names and types of what the row must have.
        path: path of the file.

    Raises:
        ValueError: the row is no JSON object, or a field is missing or has another type.
    """
    values = row if isinstance(row, dict) else {}
    wrong = [name for name, kind in fields.items() if not isinstance(values.get(name), kind)]
    if wrong:
        raise ValueError(
            f"A row in the record of a job must have {', '.join(fields)}; {path} has a row with a "
            f"wrong {wrong[0]}: {str(row)[:60]}; restore the file, or choose another --out_dir."
        )
