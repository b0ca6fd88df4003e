"""A database with the program's schema."""

import pytest

from consumer.postgres.migrate import migrate


@pytest.fixture
def migrated(database: str) -> str:
    """The DSN of a database that `milestones migrate` has made ready."""
    migrate(database)
    return database
