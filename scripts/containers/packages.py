"""Root directories made of Debian packages that are installed on this machine."""

import pathlib
import subprocess

INFO = pathlib.Path("/var/lib/dpkg/info")
ALTERNATIVES = pathlib.Path("/var/lib/dpkg/alternatives")
# Debian's merged /usr: these are links on the machine, and become links in the root.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/")


class Missing(Exception):
    """A package that is not installed."""


def root(directory, names):
    """Lays out the files of the packages and of everything that they depend on."""
    directory.mkdir(parents=True)
    for name in MERGED:
        (directory / "usr" / name).mkdir(parents=True)
        (directory / name).symlink_to(f"usr/{name}")
    for name in ("etc", "proc", "sys", "dev", "tmp", "run", "root", "var/tmp", "home", "usr/local/bin"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "tmp").chmod(0o1777)
    files = sorted({path for name in closure(names) for path in _files(name)})
    _copy(files, directory)
    _link_alternatives(directory)
    certificates = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if certificates.exists():
        (directory / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
        (directory / "etc/ssl/certs/ca-certificates.crt").write_bytes(certificates.read_bytes())
    subprocess.run(["/sbin/ldconfig", "-r", directory], check=True)


def closure(names):
    """The packages and what they depend on. Of alternatives, the first that is installed is taken."""
    installed, provided = _installed()
    found, left = set(), list(names)
    while left:
        name = left.pop()
        if name in found:
            continue
        if name not in installed:
            raise Missing(f"the package {name} is not installed")
        found.add(name)
        for choice in installed[name]:
            known = [provided.get(option) for option in choice if option in provided]
            if known:
                left.append(known[0])
    return found


def _installed():
    """Each package with its dependencies, each a list of alternatives; and who provides each name."""
    shown = "${Package}\t${db:Status-Status}\t${Pre-Depends}\t${Depends}\t${Provides}\n"
    text = subprocess.run(["dpkg-query", "--show", f"--showformat={shown}"], check=True, capture_output=True, text=True).stdout
    installed, provided = {}, {}
    for line in text.splitlines():
        name, status, before, depends, provides = line.split("\t")
        if status != "installed":
            continue
        installed[name] = [[_bare(option) for option in choice.split("|")]
                           for field in (before, depends) for choice in field.split(",") if choice.strip()]
        for other in provides.split(","):
            if other.strip():
                provided.setdefault(_bare(other), name)
    provided.update({name: name for name in installed})
    return installed, provided


def _bare(option):
    """A name without its version and architecture."""
    return option.split("(")[0].strip().split(":")[0]


def _files(name):
    lists = [INFO / f"{name}.list", *INFO.glob(f"{name}:*.list")]
    for path in next(file for file in lists if file.exists()).read_text().splitlines():
        path = path.lstrip("/")
        first, _, rest = path.partition("/")
        if first in MERGED:
            if not rest:
                continue
            path = f"usr/{path}"
        if path not in ("", ".") and not path.startswith(LEFT_OUT):
            yield path


def _copy(files, directory):
    existing = [path for path in files if pathlib.Path("/", path).exists() or pathlib.Path("/", path).is_symlink()]
    reader = subprocess.Popen(["tar", "--create", "--directory=/", "--no-recursion", "--null", "--files-from=-"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    writer = subprocess.Popen(["tar", "--extract", f"--directory={directory}", "--keep-directory-symlink"],
                              stdin=reader.stdout)
    reader.stdout.close()
    reader.stdin.write(b"\0".join(path.encode() for path in existing))
    reader.stdin.close()
    if writer.wait() != 0 or reader.wait() != 0:
        raise OSError(f"the files of {directory} cannot be copied")


def _link_alternatives(directory):
    """Links such as /usr/bin/cc, which no package's list of files has."""
    (directory / "etc/alternatives").mkdir(exist_ok=True)
    for state in ALTERNATIVES.iterdir():
        link = state.read_text().splitlines()[1].lstrip("/")
        chosen = pathlib.Path("/etc/alternatives", state.name)
        if not chosen.is_symlink():
            continue
        target = chosen.readlink()
        if link.partition("/")[0] in MERGED:
            link = f"usr/{link}"
        place = directory / link
        if (directory / str(target).lstrip("/")).exists() and not place.is_symlink() and not place.exists():
            (directory / "etc/alternatives" / state.name).symlink_to(target)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(f"/etc/alternatives/{state.name}")
