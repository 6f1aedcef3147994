"""The repository, and how commands are run."""

import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "helm/tests"))
# gRPC and protobuf for Python are installed there.
sys.path.insert(0, str(ROOT / ".tools/signals"))


class Fault(Exception):
    """Something that a user of containers would see fail."""


class Skip(Exception):
    """A reason why this machine cannot run containers."""


def run(*command, check=True, environment=None, directory=None, given=None, timeout=None):
    """A finished process, its output as text. With `check`, a failure is a fault that contains the output."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, input=given, cwd=directory,
                          timeout=timeout, stdin=None if given is not None else subprocess.DEVNULL,
                          env={**os.environ, **(environment or {})})
    if check and done.returncode != 0:
        raise Fault(f"{' '.join(map(str, command))}: status {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done


def until(what, look, seconds=120, pause=0.2):
    """Looks until there is no Fault and no OSError; the last one is raised after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        try:
            return look()
        except (Fault, OSError) as error:
            if time.monotonic() > end:
                raise Fault(f"{what}: not within {seconds} s: {error}") from error
        time.sleep(pause)
