"""A batch held up in PostgreSQL by somebody else (frozen workers: see tests/faults/test_freezes.py)."""

import psycopg
import pytest

from tests.processes.truth import changes, milestones
from tests.processes.workers import Deployment


@pytest.mark.fault("52", "revoke while PostgreSQL is held up by somebody else")
def test_a_member_that_joins_while_a_batch_is_held_up_in_postgres_waits_for_no_harm(deployment: Deployment) -> None:
    stream = changes(900)
    deployment.create(partitions=2)
    deployment.feed(stream[:300])
    deployment.start()
    deployment.wait_until_published()
    with psycopg.connect(deployment.dsn, application_name="a person") as connection:
        connection.execute("select 1 from stream_position for update")
        deployment.feed(stream[300:])
        deployment.start()
        deployment.wait(lambda: len(deployment.members()) == 2, "the second asks to join")
    deployment.wait_for_members(2)
    deployment.wait_until_published()
    deployment.drain()
    deployment.assert_exactly(milestones(stream))
