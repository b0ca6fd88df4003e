"""What the kernel says of a process's memory."""

from __future__ import annotations

from pathlib import Path


def peak_mb(pid: str = "self") -> float:
    """The largest resident size so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel does not tell VmHWM")
