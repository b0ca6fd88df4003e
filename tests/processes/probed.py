"""What a worker answers over HTTP."""

from contextlib import closing
from http.client import HTTPConnection

from tests.services.server_process import LOOPBACK


def answer(port: int, path: str) -> tuple[int, str]:
    """Status and text."""
    with closing(HTTPConnection(LOOPBACK, port, timeout=10)) as connection:
        connection.request("GET", path)
        answered = connection.getresponse()
        return answered.status, answered.read().decode()
