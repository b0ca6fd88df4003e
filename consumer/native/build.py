"""Compiles what is compiled when the package is built or installed; without a compiler Python does the same, slower."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
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
    """Compiles anew; the reason why that cannot be done, or nothing. What was compiled before is there no more then."""
    made = built.with_suffix(".new")
    try:
        reason = _reason(made)
        if reason:
            built.unlink(missing_ok=True)
        else:
            made.replace(built)  # In one step: whoever begins meanwhile has the old one.
    except OSError as error:
        return f"{built} cannot be written ({error.strerror})"
    return reason


def _reason(made: Path) -> str:
    """Why the compiler that was asked for, or the first that might be there, cannot; nothing if one can."""
    asked_for = os.environ.get("CC")
    compilers = [asked_for] if asked_for else [*dict.fromkeys((sysconfig.get_config_var("CC") or "cc", "cc"))]
    reasons = []
    for compiler in compilers:
        reason = _compiled_by(compiler, made)
        if not reason:
            return ""
        reasons.append(reason)
    return reasons[0]


def _compiled_by(compiler: str, made: Path) -> str:
    include = f"-I{sysconfig.get_path('include')}"
    linking = ("-undefined", "dynamic_lookup") if sys.platform == "darwin" else ()
    try:
        command = [*shlex.split(compiler), *_FLAGS, *linking, include, str(_SOURCE), "-o", str(made)]
        done = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except (OSError, ValueError) as error:
        return f"the C compiler {compiler} cannot be run ({error}); install one, or set CC"
    if done.returncode == 0:
        return ""
    said = next((line for line in done.stderr.splitlines() if "error:" in line), f"it ended with {done.returncode}")
    return f"{compiler} could not compile {_SOURCE.name} ({said.strip()}); Python's headers are needed, too"
