"""The journal of a job: what is appended comes back, and half a line does not."""

import pytest

from tf_inpaint.files.journal import Journal, journal_at
from tf_inpaint.files.paths import to_path

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


def test_replaced_rows_are_the_only_rows(tmp_path):
    """`replace` writes the file again."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(ROWS)
    journal.replace(ROWS[1:])
    assert journal.recover() == journal.read() == ROWS[1:]


def test_file_that_was_written_in_one_piece_has_no_incomplete_line(tmp_path):
    """`read` refuses an incomplete line, and leaves the file as it is."""
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.read() == []
    journal.append(ROWS)
    data = journal.path.read_bytes()[:-5]
    journal.path.write_bytes(data)
    with pytest.raises(ValueError, match="a JSON object on every line; "):
        journal.read()
    assert journal.path.read_bytes() == data


@pytest.mark.parametrize("tail", [b"\x00\x00", b"no row", b"\x89PNG\r\n\x1a"])
def test_data_that_is_no_row_is_not_cut_off(tmp_path, tail):
    """Only the beginning of a row is cut off at the end of a file."""
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(ROWS[:1])
    data = journal.path.read_bytes() + tail
    journal.path.write_bytes(data)
    with pytest.raises(ValueError, match="a JSON object on every line; "):
        journal.recover()
    assert journal.path.read_bytes() == data


@pytest.mark.parametrize("row", [{}, {"file": 7}, {"file": "a", "z": {}}])
def test_row_without_its_fields_is_refused(tmp_path, row):
    """A field that is missing or has another type is named."""
    journal = Journal(tmp_path / "journal.jsonl", {"file": str, "z": list})
    journal.append([{"file": "a", "z": []}, row])
    with pytest.raises(ValueError, match=r"must have file, z; .*journal.jsonl has a row with a wr"):
        journal.recover()


def test_folder_in_place_of_the_file_is_refused(tmp_path):
    """The error names the path and the reason."""
    with pytest.raises(ValueError, match=r"file that can be read; received .* \(Is a directory\);"):
        Journal(tmp_path).recover()


def test_deeply_nested_line_is_refused(tmp_path):
    """A line that exhausts the parser is damaged."""
    (tmp_path / "journal.jsonl").write_text("[" * 100_000 + "\n")
    with pytest.raises(ValueError, match="a JSON object on every line; "):
        Journal(tmp_path / "journal.jsonl").recover()


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


class TestObjectJournal:
    """A journal at a URL."""

    @pytest.fixture
    def journal(self, tmp_path):
        """A journal that does not exist yet."""
        return journal_at(to_path(f"memory:/{tmp_path}/.journal.jsonl"))

    def test_rows_come_back_in_their_order(self, journal):
        """`flush` writes all rows since the last call as one object."""
        assert journal.recover() == []
        for number in range(12):
            journal.append([{"number": number}])
            if number % 3 == 1:
                journal.flush()
        other = journal_at(journal.path)
        assert [row["number"] for row in other.recover()] == list(range(11))
        assert len(list(journal.path.iterdir())) == 4
        other.append([{"number": 12}])
        other.flush()
        other.flush()
        assert [row["number"] for row in journal.recover()][-2:] == [10, 12]
        assert len(list(journal.path.iterdir())) == 5

    def test_half_an_object_counts_up_to_its_last_line(self, journal):
        """Some file systems show files that are not written to the end."""
        journal.append(ROWS)
        journal.flush()
        (first,) = journal.path.iterdir()
        first.write_bytes(first.read_bytes()[:-5])
        journal.append(ROWS[1:])
        journal.flush()
        assert journal.recover() == ROWS

    def test_remove(self, journal):
        """Nothing is left, and nothing may be there before."""
        journal.remove()
        journal.append(ROWS)
        journal.flush()
        journal.append(ROWS)
        journal.remove()
        journal.flush()
        assert journal.recover() == [] and not journal.path.exists()

    def test_path_on_this_machine_has_one_file(self, tmp_path):
        """`flush` has nothing to do there."""
        journal = journal_at(tmp_path / "journal.jsonl")
        journal.append(ROWS)
        assert journal.recover() == ROWS
        journal.flush()
        assert journal.recover() == ROWS
