"""What workers log, brought to the log of the command, each message once."""

import contextlib
import logging
from collections.abc import Iterable, Iterator

log = logging.getLogger("tf_inpaint")


class Recorder(logging.Handler):
    """Keeps what the process of a worker logs."""

    def __init__(self):
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def install(self) -> None:
        """Makes this the only handler of the log."""
        log.handlers, log.propagate = [self], False
        log.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a record. Its arguments become text, for they may not be picklable."""
        record.text, record.args = record.getMessage(), None
        self.records.append(record)

    def take(self) -> list[logging.LogRecord]:
        """Returns the records since the last call."""
        records, self.records = self.records, []
        return records


@contextlib.contextmanager
def recorded_messages() -> Iterator[set[str]]:
    """Gives a set that receives the messages that this process logs, without their values."""
    messages: set[str] = set()

    def note(record: logging.LogRecord) -> bool:
        messages.add(record.msg)
        return True

    log.addFilter(note)
    try:
        yield messages
    finally:
        log.removeFilter(note)


def log_once(records: Iterable[logging.LogRecord], logged: set[str]) -> None:
    """Logs the records of workers whose messages were not logged yet, with any values.

    Args:
        records: see `Recorder`.
        logged: messages that were logged. Those of the records are added.
    """
    for record in records:
        if record.msg not in logged:
            logged.add(record.msg)
            log.log(record.levelno, "%s", record.text)
