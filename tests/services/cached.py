"""What the local forms take from Maven, kept in the checkout's cache: fetched once, and never half."""

import fcntl
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"


def copy_jars(pom: Path, folder: Path) -> None:
    """Put what this pom needs at run time into `folder`. Raises RuntimeError with what Maven said."""
    run(["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
         f"-DoutputDirectory={folder}", "-DincludeScope=runtime"])  # fmt: skip


def in_place_of(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside `target` and rename it: a run that was cut short leaves no half of it behind.

    One process at a time: tests run in two of them, and Maven's own folder is not made for that.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():  # Else another was first, and its folder is as good.
            fill(Path(folder) / target.name)
            (Path(folder) / target.name).rename(target)


def run(command: Sequence[str]) -> None:
    """Run a command to its end. Raises RuntimeError with what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:2])} … ended with {done.returncode}:\n{done.stdout}{done.stderr}")
