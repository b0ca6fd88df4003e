"""Compiles what is compiled when the package is built or installed; without a compiler Python does the same, slower."""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_FOLDER = Path(__file__).parent
_SOURCE, _BUILT = _FOLDER / "_envelopes.c", _FOLDER / "_envelopes.abi3.so"
# Warnings of one's own compiler are for whoever changes the code (tests/native): they fail no installation.
_FLAGS = ("-std=c11", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-fstack-protector-strong")


class CustomBuildHook(BuildHookInterface[Any]):
    """One file for every CPython from 3.11 on (its stable ABI), beside its source and inside the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compiles before files are collected."""
        if self.target_name != "wheel":
            return
        reason = compiled()
        if reason:
            self.app.display_warning(f"Python alone will look at records, at a lower rate: {reason}")
        elif version != "editable":
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["force_include"][str(_BUILT)] = f"consumer/native/{_BUILT.name}"


def compiled(built: Path = _BUILT) -> str:
    """Compiles anew; the reason why that cannot be done, or nothing."""
    built.unlink(missing_ok=True)
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
    include = f"-I{sysconfig.get_path('include')}"
    command = [*shlex.split(compiler), *_FLAGS, include, str(_SOURCE), "-o", str(built)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"the C compiler {compiler} cannot be run ({error.strerror}); install one, or set CC"
    if done.returncode == 0:
        return ""
    built.unlink(missing_ok=True)
    said = next((line for line in done.stderr.splitlines() if "error" in line), f"it ended with {done.returncode}")
    return f"{compiler} could not compile {_SOURCE.name} ({said.strip()}); Python's headers are needed, too"
