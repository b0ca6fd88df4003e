"""What the kernel says of processes: memory, CPU, and the rate that follows."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_mb(pid: str = "self") -> float:
    """The largest resident size so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel does not tell VmHWM")


def read_by_several(records: int, seconds: float, readers: int) -> dict[str, float]:
    """Rate, CPU and memory of this process and its readers: all peaks together are more than was ever held at once."""
    own, reader = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "rate": records / seconds,
        "records": records,
        "cpu_s": own.ru_utime + own.ru_stime + reader.ru_utime + reader.ru_stime,
        "peak_mb": peak_mb() + readers * reader.ru_maxrss / 1024,
    }
