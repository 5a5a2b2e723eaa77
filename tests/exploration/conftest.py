"""A folder with a run to explore."""

import explored_run
import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Two runs, a run with labels and a run without, and image files."""
    return explored_run.make_files(tmp_path_factory.mktemp("exploration"))
