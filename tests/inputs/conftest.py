"""Fixtures of the tests of this folder."""

from completion_fixtures import logged  # noqa: F401
