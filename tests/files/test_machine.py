"""The memory of the machine or container."""

import os

import pytest

from tf_inpaint.files import machine


@pytest.mark.parametrize("text", ["max\n", "", None, str(2**62)])
def test_a_machine_without_a_lower_limit_has_its_own_memory(text, tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    if text is not None:
        limit.write_text(text)
    monkeypatch.setattr(machine, "CONTAINER_LIMIT", limit)
    assert machine.machine_memory() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_a_container_has_the_memory_of_its_limit(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("123456\n")
    monkeypatch.setattr(machine, "CONTAINER_LIMIT", tmp_path / "memory.max")
    assert machine.machine_memory() == 123456
