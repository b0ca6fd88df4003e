"""Kafka Connect with Debezium's connectors and Apicurio's converter: their jars by Maven, once per checkout."""

from pathlib import Path

from tests.services.cached import CACHE, copy_jars, in_place_of

VERSION = "4.1.0-debezium-3.2.0"  # As in pom.xml beside this file.

_POM = Path(__file__).with_name("pom.xml")
_LIBS = CACHE / f"connect-{VERSION}" / "libs"

# Many connectors share one worker when streams are captured, and each has queues of its own.
JAVA = ("java", "-Xmx1500m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=info", "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-cp", f"{_LIBS}/*")  # fmt: skip


def is_installed() -> bool:
    """Whether the jars are in the checkout's cache, so that Maven is not needed."""
    return _LIBS.is_dir()


def install() -> None:
    """Make sure that the jars are in the cache. Raises RuntimeError with what failed."""
    if not is_installed():
        in_place_of(_LIBS, lambda folder: copy_jars(_POM, folder))
