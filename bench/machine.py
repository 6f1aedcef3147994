"""The conditions of a measurement: machine, time, versions, and the load by others."""

import hashlib
import platform
import re
import shutil
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import proc


def facts(root: Path, octet: Path, hey: Path) -> dict[str, object]:
    """Facts of this machine, this checkout and the measured programs, taken before anything is started."""
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(root),
        "octet": _say([str(octet), "--version"], root),
        "octet_sha256": hashlib.sha256(octet.read_bytes()).hexdigest(),
        "rustc": _say(["rustc", "--version"], root),
        "hey": _hey_version(hey),
        "cpu": _line("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "cores": proc.cores(),
        "memory_mib": int(_line("/proc/meminfo", r"^MemTotal:\s*(\d+) kB$") or 0) // 1024,
        "kernel": platform.release(),
        "load_average_before": proc.load_average(),
    }


def _commit(root: Path) -> str:
    """The checkout's commit; the measured binary may differ, so its hash is recorded too."""
    # Otherwise git status would refresh the index, which belongs to the user.
    git = ["git", "--no-optional-locks"]
    commit = _say([*git, "rev-parse", "--short=12", "HEAD"], root)
    return f"{commit}, with changes" if _say([*git, "status", "--porcelain"], root, "") else commit


def _hey_version(hey: Path) -> str:
    """hey does not print its version; Debian's package has it."""
    version = ""
    if shutil.which("dpkg-query"):
        version = _say(["dpkg-query", "--show", "--showformat=${Version}", "hey"], Path("/"), "")
    return f"{version} (Debian)" if version else f"unknown ({hey})"


def _line(file: str, pattern: str) -> str | None:
    found = re.search(pattern, Path(file).read_text(), re.MULTILINE)
    return found[1].strip() if found else None


def _say(command: list[str], directory: Path, otherwise: str = "unknown") -> str:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return otherwise
    return done.stdout.strip() if done.returncode == 0 else otherwise
