"""The machine that everything ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil


def about() -> dict[str, str]:
    """Return what a reader needs to compare with another machine."""
    memory_gib = psutil.virtual_memory().total / 2**30
    return {
        "cpu": f"{os.cpu_count()} x {_cpu_name()}",
        "memory": f"{memory_gib:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
