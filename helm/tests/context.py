"""Checks that the image's build gets every file that the program has built in."""

import fnmatch
import os

from render import ROOT, octet

IGNORED = ROOT / ".dockerignore"
# The page is built in a stage of its own.
BUILT = "ui/dist/"


def embedded():
    """The files of the repository of which cargo made the program, by cargo's own list."""
    listed = octet().with_suffix(".d").read_text().split(": ", 1)[1]
    found = {os.path.relpath(os.path.normpath(path), ROOT) for path in listed.split()}
    return {path for path in found if not path.startswith(("..", "target/", BUILT))}


def faults(ignored, files):
    """One line per file that .dockerignore, of this text, keeps from the build."""
    rules = [line for line in ignored.splitlines() if line.strip() and not line.startswith("#")]
    for path in sorted(files):
        if _is_ignored(rules, path):
            yield f".dockerignore: leaves out {path}, which the program has built in"


def _is_ignored(rules, path):
    """The last rule that matches the path, or a directory that it is in, decides."""
    places = [path, *_parents(path)]
    decided = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        if any(fnmatch.fnmatch(place, pattern) for place in places):
            decided = not rule.startswith("!")
    return decided


def _parents(path):
    while path := os.path.dirname(path):
        yield path
