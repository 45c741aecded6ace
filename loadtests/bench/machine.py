"""What the run ran on."""

import os
import platform
from pathlib import Path


def processor() -> str:
    """The processor's name, as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_gib() -> float:
    """Physical memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def describe() -> dict[str, str]:
    """For the head of a report."""
    return {
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory_gib():.0f} GiB",
        "kernel": platform.release().split("-")[0],
        "python": platform.python_version(),
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
