"""Coverage-guided fuzzing of the decoders: `make fuzz`, or `python -m tests.fuzz RUNS`.

Ends with an error, and libFuzzer's report, at the first crash, at an input that takes more than a second, or above
512 MB; that input is kept then.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["consumer.formats", "consumer.core"]):
    from tests.fuzz.target import check, write_seeds

_DICTIONARY = (
    '"before"', '"after"', '"source"', '"op"', '"payload"', '"schema"', '"specversion"', '"data"', '"ts_ms"',
    '"__deleted"', '"__table"', '"all_types"', '"numeric_c"', '"gtid"', '"lsn"', "1e999999999", "null", "NaN",
)  # fmt: skip


def main() -> int:
    """Fuzzes for as many runs as the argument says, in a process of its own: libFuzzer ends the one that it is in."""
    runs = sys.argv[1] if len(sys.argv) > 1 else "1000000"
    folder = tempfile.mkdtemp(prefix="milestones-fuzz-")
    code = subprocess.run([sys.executable, "-m", "tests.fuzz", runs, folder], check=False).returncode
    if code == 0:
        shutil.rmtree(folder)
    return code


def fuzz(runs: str, folder: Path) -> None:
    """Does not return."""
    corpus, dictionary = folder / "corpus", folder / "words"
    write_seeds(corpus)
    words = (word.replace("\\", "\\\\").replace('"', '\\"') for word in _DICTIONARY)
    dictionary.write_text("".join(f'"{word}"\n' for word in words), encoding="utf-8")
    # Without reload=0 a slow machine reads its seeds again after a second, and counts them as runs.
    limits = ["-max_len=16384", "-timeout=1", "-rss_limit_mb=512", "-reload=0", "-print_final_stats=1"]
    limits.append(f"-runs={runs}")
    atheris.Setup([sys.argv[0], *limits, f"-dict={dictionary}", f"-artifact_prefix={folder}/", str(corpus)], check)
    atheris.Fuzz()


if len(sys.argv) > 2:
    fuzz(sys.argv[1], Path(sys.argv[2]))
else:
    sys.exit(main())
