"""A database put aside, and put back later: what an administrator does with pg_dump."""

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.services import PostgresService


def back_up(postgres: PostgresService, dsn: str) -> str:
    """Copies a database that nobody is connected to; returns the DSN of the copy."""
    name = str(conninfo_to_dict(dsn)["dbname"])
    _copy(postgres, name, f"{name}_backup")
    return postgres.dsn(f"{name}_backup")


def restore(postgres: PostgresService, dsn: str, backup: str) -> None:
    """Puts a backup in the place of the database; the backup is used up."""
    postgres.drop_database(dsn)
    _copy(postgres, str(conninfo_to_dict(backup)["dbname"]), str(conninfo_to_dict(dsn)["dbname"]))
    postgres.drop_database(backup)


def _copy(postgres: PostgresService, source: str, target: str) -> None:
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(target), sql.Identifier(source))
    with psycopg.connect(postgres.admin_dsn, autocommit=True) as connection:
        connection.execute(statement)
