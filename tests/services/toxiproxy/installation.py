"""Toxiproxy's server: the one on the path, or built by Go once per checkout."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.services.cached import CACHE, in_place_of

VERSION = "v2.5.0"  # The newest that Debian 12's Go builds, too.

_MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@{VERSION}"
_BUILT = CACHE / f"toxiproxy-{VERSION}"
_ON_PATH = "toxiproxy-server"


def is_installed() -> bool:
    """Whether there is a server already, so that Go is not needed."""
    return shutil.which(_ON_PATH) is not None or _BUILT.is_dir()


def install() -> Path:
    """The server program. Raises RuntimeError with what Go said."""
    found = shutil.which(_ON_PATH)
    if found is not None:
        return Path(found)
    if not _BUILT.is_dir():
        in_place_of(_BUILT, _build)
    return _BUILT / "server"


def _build(folder: Path) -> None:
    # Modules go beside the program and are removed again: nothing is left in the user's home folder.
    modules = folder.parent / "modules"
    places = {"GOBIN": str(folder), "GOPATH": str(modules), "GOCACHE": str(modules / "cache"), "GOFLAGS": "-modcacherw"}
    command = ["go", "install", _MODULE]
    done = subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"go install {_MODULE} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
