"""Fixtures of the tests of this folder, all of which run `complete`."""

import pytest
from completion_fixtures import (  # noqa: F401
    finished_job,
    launch_exit,
    logged,
    run_folder,
    search_sizes,
    traced_once,
)


@pytest.fixture(scope="module", autouse=True)
def quick(traced_once):  # noqa: F811
    """Makes the jobs of every file of this folder quick."""
