"""The kernel's figures for processes and the machine."""

import os
import time
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and all its threads, including ended ones.

    /proc/PID/stat counts in ticks of 10 ms, which is coarse for nine processes that share a second. The
    process's CPU clock counts in nanoseconds; its id is made as clock_getcpuclockid(3) makes it.
    """
    process_clock = 2
    try:
        return time.clock_gettime((~pid << 3) | process_clock)
    except OSError as error:
        raise ProcessLookupError(f"no process {pid}") from error


def resident_bytes(pid: int) -> int:
    """RSS. Pages that processes share (the program's text) count in each."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error


def cores() -> int:
    """The cores that this process and its children may use."""
    return len(os.sched_getaffinity(0))


def busy_seconds() -> float:
    """CPU time of all processes of the machine since it started."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def load_average() -> list[float]:
    """Load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]
