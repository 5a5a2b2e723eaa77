"""Fixtures of the tests of `complete` and `client` in this folder."""

from completion_fixtures import (  # noqa: F401
    finished_job,
    launch_exit,
    logged,
    run_folder,
    search_sizes,
    traced_once,
)
from serving_fixtures import double, waits  # noqa: F401
