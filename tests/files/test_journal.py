"""The journal of a job: what is appended comes back, and half a line does not."""

import pytest

from tf_inpaint.files.journal import Journal

ROWS = [{"file": "a.png", "energy": 1.5}, {"file": "b\nü.png", "energy": None}]


def test_rows_come_back_in_their_order(tmp_path):
    """`recover` returns the rows of all calls of `append`."""
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.recover() == []
    journal.append(ROWS[:1])
    journal.append(ROWS[1:])
    assert journal.recover() == ROWS
    assert journal.path.read_text() == (
        '{"file": "a.png", "energy": 1.5}\n{"file": "b\\n\\u00fc.png", "energy": null}\n'
    )


def test_an_incomplete_last_line_is_cut_off(tmp_path):
    """A row that was cut short is lost, and the next row starts on a line of its own."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(ROWS)
    complete = journal.path.read_text()
    journal.path.write_text(complete[:-5])
    assert journal.recover() == ROWS[:1]
    journal.append(ROWS[1:])
    assert journal.path.read_text() == complete


def test_a_removed_journal_is_empty(tmp_path):
    """`remove` deletes the file, and does nothing without one."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(ROWS)
    for _ in range(2):
        journal.remove()
        assert not journal.path.exists() and journal.recover() == []


@pytest.mark.parametrize("line", [b"\x89PNG", b"", b"7", b'"a"', b'{"file": ', b"[{}]"])
def test_a_damaged_line_is_refused_and_stays(tmp_path, line):
    """A line that is no JSON object is named, and the file is not changed."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(ROWS[:1])
    data = journal.path.read_bytes() + line + b"\n"
    journal.path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a JSON object on every line; .*journal.jsonl has b"):
        journal.recover()
    assert journal.path.read_bytes() == data
