"""An Apicurio registry for tests, whatever form it comes in."""

import json
import urllib.error
import urllib.request
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from tests.services.service import Service, wait_until

IMAGE = "apicurio/apicurio-registry-mem:2.6.13.Final"


class RegistryService(Service):
    """A schema registry that keeps what it is given until it is stopped."""

    @property
    @abstractmethod
    def url(self) -> str:
        """`http://host:port`, the same after a restart (which forgets every schema)."""

    @property
    def own_api(self) -> str:
        """Apicurio's own API."""
        return f"{self.url}/apis/registry/v2"

    @property
    def confluent_api(self) -> str:
        """The API that Confluent's clients speak."""
        return f"{self.url}/apis/ccompat/v7"

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] = MappingProxyType({})) -> Any:  # noqa: ANN401 (JSON)
        """The JSON at this path of the server, or its answer to a body that is posted there. Raises URLError."""
        request = urllib.request.Request(self.url + path, body, dict(headers))  # noqa: S310 (http only)
        with urllib.request.urlopen(request, timeout=10.0) as answer:  # noqa: S310
            return json.loads(answer.read())

    def answers(self) -> bool:
        """Whether both APIs answer."""
        try:
            self.ask("/apis/registry/v2/system/info")
            self.ask("/apis/ccompat/v7/subjects")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True


class GivenRegistry(RegistryService):
    """A registry that somebody else runs; it is neither started nor stopped here."""

    def __init__(self, url: str):
        self._url = url.rstrip("/")

    @property
    def url(self) -> str:
        return self._url

    def start(self) -> None:
        wait_until(self.answers, timeout_s=30.0, what=f"the registry at {self._url} answers")

    def stop(self) -> None:
        """Leave it running."""
