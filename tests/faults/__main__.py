"""`make faults`: every fault with its seeds, and a table. Stopped, it goes on where it was; at another commit, anew.

python -m tests.faults [--rows 1-8,17] [--seeds all|N] [--jobs N] [--table] [--write]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from tests.faults.report import put
from tests.faults.results import Results, commit, table


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="rows of the table: 1-8,17")
    parser.add_argument("--seeds", default="all", help="at most so many of each fault")
    parser.add_argument("--jobs", default="1", help="so many side by side, each with servers of its own")
    parser.add_argument("--table", action="store_true", help="run nothing, print what there is")
    parser.add_argument("--write", action="store_true", help="put the table into docs/reliability.md")
    said = parser.parse_args()
    name = commit()
    code = 0
    if not said.table:
        options = ["--seeds", said.seeds, *(["--rows", said.rows] if said.rows else [])]
        options += ["-n", said.jobs, "--dist", "worksteal"] if said.jobs != "1" else []
        words = [sys.executable, "-m", "pytest", "tests/faults", "tests/processes", "-m", "fault", "-q", "--no-header"]
        code = subprocess.run([*words, "-p", "no:cacheprovider", "--tb=short", *options], check=False).returncode
    results = Results(name).read()
    told = (
        f"Commit {name}, {len(results)} runs, {sum(one.took for one in results) / 60:.0f} minutes.\n\n{table(results)}"
    )
    print(f"\n{told}")
    if said.write:
        put("make faults", told)
    # 5: everything was done before.
    return 0 if code == 5 else code


if __name__ == "__main__":
    sys.exit(main())
