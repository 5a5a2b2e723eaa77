"""The journal of a job: one JSON object a line for everything that is done.

A killed job reads its journal and goes on where it stopped.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tf_inpaint.files import images


class Journal:
    """A file with one JSON object a line.

    Args:
        path: path of the file. The first call of `append` creates the file.
    """

    def __init__(self, path: Path):
        self.path = path

    def recover(self) -> list[dict]:
        """Returns the objects of all complete lines, and cuts off a last line without its end.

        The last line is incomplete if the job was killed while it wrote the line.

        Raises:
            ValueError: a complete line is no JSON object, so it is unknown what the job wrote.
        """
        if not self.path.exists():
            return []
        data = self.path.read_bytes()
        complete = data[: data.rfind(b"\n") + 1]
        rows = [self.parse(line) for line in complete.splitlines()]
        if complete != data:
            with images.atomic(self.path) as temporary:
                temporary.write_bytes(complete)
        return rows

    def parse(self, line: bytes) -> dict:
        """Returns the object of one line.

        Raises:
            ValueError: the line is no JSON object.
        """
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ValueError(
                f"The record of a job must have a JSON object on every line; {self.path} has "
                f"{line[:40]!r}; restore the file, or choose another --out_dir."
            )
        return row

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Writes one line for each row, and all lines in one piece."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        with self.path.open("a") as file:
            file.write(text)

    def remove(self) -> None:
        """Deletes the file if it exists."""
        self.path.unlink(missing_ok=True)
