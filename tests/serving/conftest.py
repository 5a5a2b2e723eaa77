"""Fixtures of the tests of this folder."""

from completion_fixtures import logged  # noqa: F401
from serving_fixtures import double, waits  # noqa: F401
