"""What a process costs, by the kernel's own account (Linux' /proc): CPU seconds and resident memory."""

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, that the process and all its threads have used so far."""
    # The command stands in parentheses and may hold spaces; utime and stime are the 14th and 15th field of the line.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def rss_mib(pid: int) -> float:
    """Return the resident memory now, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {pid} has ended")


def threads(pid: int) -> int:
    """Return how many threads the process has now."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def wakes(pid: int) -> int:
    """Return how often its threads have gone to sleep of their own accord so far, and so have woken up."""
    lines = (line for status in Path(f"/proc/{pid}/task").glob("*/status") for line in status.read_text().splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))
