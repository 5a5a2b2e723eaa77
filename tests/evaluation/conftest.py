"""A tiny run and a finished evaluation of it, for all tests of this folder."""

import pytest
import small_evaluations


@pytest.fixture(scope="module")
def quick():
    """Makes the evaluations of a test quick."""
    with small_evaluations.quick_evaluations():
        yield


@pytest.fixture
def folder(tmp_path_factory, quick):
    """Folder of two runs, see `small_evaluations.runs_folder`."""
    return small_evaluations.runs_folder(tmp_path_factory.getbasetemp())


@pytest.fixture
def done(folder):
    """Output folder of a finished evaluation."""
    return small_evaluations.finished_evaluation(folder)
