"""Apicurio's registry: its distribution by Maven, unpacked once per checkout."""

import tarfile
import tempfile
from pathlib import Path

from tests.services.cached import CACHE, copy_jars, in_place_of

VERSION = "2.6.13.Final"  # As in pom.xml beside this file.

_POM = Path(__file__).with_name("pom.xml")
_APP = CACHE / f"apicurio-registry-{VERSION}"

JAR = _APP / f"apicurio-registry-app-{VERSION}-runner.jar"


def is_installed() -> bool:
    """Whether the registry is in the checkout's cache, so that Maven is not needed."""
    return _APP.is_dir()


def install() -> None:
    """Make sure that the registry is in the cache. Raises RuntimeError with what failed."""
    if not is_installed():
        in_place_of(_APP, _unpack)


def _unpack(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as fetched:
        copy_jars(_POM, Path(fetched))
        (archive,) = Path(fetched).iterdir()
        with tarfile.open(archive) as tar:
            # Not an argument: Python before 3.11.4 does not know it.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(folder)  # noqa: S202 - filtered where Python can, and Maven has checked its hash
