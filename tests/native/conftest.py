"""What tests of compiled code share."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer import native
from consumer.native import Envelopes
from tests.native.sanitized import built_in


@pytest.fixture(scope="session")
def compiled() -> Envelopes:
    """What was compiled."""
    if native.envelopes is None:
        pytest.skip("no C compiler was found when this was installed")
    return native.envelopes


@pytest.fixture(scope="session")
def driver(compiled: Envelopes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same code under the compiler's sanitizers, as a program."""
    assert compiled is not None
    return built_in(tmp_path_factory.mktemp("driver"))
