"""Apache Kafka for the local form: its jars by Maven and an empty formatted log folder, once per checkout."""

import base64
import shutil
import tempfile
import uuid
from pathlib import Path

from tests.services.cached import CACHE, copy_jars, in_place_of, run

VERSION = "4.1.0"  # As in pom.xml beside this file, and as the image in docker-compose.yml.

_POM = Path(__file__).with_name("pom.xml")
_CACHE = CACHE / f"kafka-{VERSION}"
_LIBS = _CACHE / "libs"
_FORMATTED = _CACHE / "formatted"

# The design's flags: a broker for tests is up in seconds, and peak speed does not matter to it.
# Each thread keeps a direct buffer as large as the largest message it sent or read, unless it is told not to: messages
# of 100 MB then end in an OutOfMemoryError after which the broker goes on, without what it was writing.
JAVA = ("java", "-Xmx512m", "-XX:MaxDirectMemorySize=1g", "-Djdk.nio.maxCachedBufferSize=262144", "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1", "-cp", f"{_LIBS}/*")  # fmt: skip

_FORMAT_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
controller.listener.names=CONTROLLER
log.dirs={log_dirs}
"""


def is_installed() -> bool:
    """Whether the jars are in the checkout's cache, so that Maven is not needed."""
    return _LIBS.is_dir()


def install() -> None:
    """Make sure that jars and formatted folder are in the cache. Raises RuntimeError with what failed."""
    if not _LIBS.is_dir():
        in_place_of(_LIBS, lambda folder: copy_jars(_POM, folder))
    if not _FORMATTED.is_dir():
        in_place_of(_FORMATTED, _format)


def new_log_dirs(folder: Path, node_id: int = 1, cluster_id: str = "") -> str:
    """Fill `folder` as StorageTool would (saves a Java start for each broker); returns the cluster's id.

    `cluster_id`: the one to belong to, else a new one.
    """
    shutil.copytree(_FORMATTED, folder)
    cluster_id = cluster_id or _random_id()
    said = {"version": "1", "node.id": str(node_id), "cluster.id": cluster_id, "directory.id": _random_id()}
    (folder / "meta.properties").write_text("".join(f"{key}={value}\n" for key, value in said.items()))
    return cluster_id


def _format(folder: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".properties") as properties:
        properties.write(_FORMAT_PROPERTIES.format(log_dirs=folder))
        properties.flush()
        run([*JAVA, "kafka.tools.StorageTool", "format", "-t", _random_id(), "-c", properties.name])


def _random_id() -> str:
    """As Kafka writes its ids: 16 bytes in URL-safe base64 without padding, and never with a dash in front.

    Kafka's tools would take that for an option.
    """
    id_ = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return id_ if not id_.startswith("-") else _random_id()
