"""A PostgreSQL that fails over: a primary, a replica, and a DSN that finds whichever takes writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.faults.world import World
from tests.services.postgres.local import LocalPostgres
from tests.services.service import wait_until


class FailoverWorld(World):
    """Kafka as before; PostgreSQL is a pair, asked without a link."""

    def __init__(self, world: World, primary: LocalPostgres, replica: LocalPostgres) -> None:
        super().__init__(world.kafka, primary, world.kafka_link, world.postgres_link)
        self._primary, self._replica = primary, replica

    def linked(self, dsn: str) -> str:
        return dsn

    def new_database(self) -> str:
        made = conninfo_to_dict(self._primary.create_database())
        second = conninfo_to_dict(self._replica.admin_dsn)
        both = {"host": f"{made['host']},{second['host']}", "port": f"{made['port']},{second['port']}"}
        return make_conninfo("", user=made["user"], dbname=made["dbname"], target_session_attrs="read-write", **both)

    def drop(self, dsn: str) -> None:
        """Both servers end with the test."""

    def heal(self) -> None:
        self.kafka_link.mend()

    def replicate_synchronously(self) -> None:
        """From now on a commit is done when the replica has it."""
        _execute(self._primary, "alter system set synchronous_standby_names = '*'", "select pg_reload_conf()")
        wait_until(self._in_step, timeout_s=10.0, what="the replica is synchronous")

    def stop_replication(self) -> None:
        """From now on the replica stays where it is; until now it has everything."""
        wait_until(self._has_all, timeout_s=10.0, what="the replica has everything")
        _execute(self._replica, "alter system set primary_conninfo = ''", "select pg_reload_conf()")
        wait_until(lambda: not self._followers(), timeout_s=10.0, what="nobody follows the primary")

    def fail_over(self) -> None:
        """The primary dies; the replica takes its place."""
        self._primary.kill()
        _execute(self._replica, "select pg_promote()")

    def _has_all(self) -> bool:
        with psycopg.connect(self._primary.admin_dsn) as connection:
            query = "select coalesce(bool_and(replay_lsn >= pg_current_wal_lsn()), false) from pg_stat_replication"
            row = connection.execute(query).fetchone()
        return bool(row and row[0])

    def _in_step(self) -> bool:
        return self._followers() == [("sync",)]

    def _followers(self) -> list[tuple[object, ...]]:
        with psycopg.connect(self._primary.admin_dsn) as connection:
            return connection.execute("select sync_state from pg_stat_replication").fetchall()


@contextmanager
def failover_world(world: World) -> Iterator[FailoverWorld]:
    """A pair that ends with the body; the rest is the world's."""
    with ExitStack() as closing:
        primary = LocalPostgres({}, durable=False)
        closing.callback(primary.close)
        primary.start()
        replica = LocalPostgres({}, durable=False)
        closing.callback(replica.close)
        replica.clone(primary)
        replica.start()
        yield FailoverWorld(world, primary, replica)


def _execute(server: LocalPostgres, *statements: str) -> None:
    with psycopg.connect(server.admin_dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)
