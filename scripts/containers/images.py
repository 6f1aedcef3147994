"""Images: the Dockerfile's, and stand-ins under the names of others where no registry is asked.

A stand-in is made of Debian packages that this machine has, so it shows what our program does in a container, not what
the image of that name does.
"""

import pathlib
import re
import shutil
import textwrap

import packages
from place import ROOT, run

HERE = pathlib.Path(__file__).resolve().parent
NX, LAKE = ROOT / ".tools/nx", ROOT / ".tools/lake"
UNPACK = ROOT / "scripts/debian_root.sh"
PAUSE = "octet.test/pause:1"
OCTET = "octet:local"
UNPRIVILEGED = "65532:65532"
# runc, because crun refuses a mix of both versions of cgroups.
BUILD = ["--pull-never", "--runtime", "runc", "--network", "host", "--format", "docker"]


class Store:
    """buildah with a store of its own, in a mount namespace of its own: nothing stays mounted."""

    def __init__(self, directory):
        self.directory = directory
        self.global_options = ["--root", directory / "store", "--runroot", directory / "store-run",
                               "--storage-driver", "overlay"]

    def buildah(self, *arguments, **options):
        return run("unshare", "--mount", "buildah", *self.global_options, *arguments,
                   environment={"TMPDIR": str(self.directory)}, **options)

    def build(self, tag, dockerfile, context, *options):
        file = self.directory / "Dockerfile"
        file.write_text(textwrap.dedent(dockerfile))
        self.buildah("build", *BUILD, "--tag", tag, *options, "--file", file, context)

    def stand_in(self, tag, names, dockerfile="", files=()):
        """An image of Debian packages, and of files that these lack: (source, path in the image)."""
        root = self.directory / "root"
        packages.root(root, names)
        self.of_root(tag, root, dockerfile, files)

    def of_root(self, tag, root, dockerfile, files):
        """An image of a root directory, which is removed, and of files that it lacks."""
        for source, path in files:
            place = root / path.lstrip("/")
            if place.exists():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            (_copy_tree if source.is_dir() else shutil.copy2)(source, place)
        self.build(tag, f"FROM scratch\nCOPY . /\n{textwrap.dedent(dockerfile)}", root)
        shutil.rmtree(root)

    def save(self, tag, archive):
        """Writes an image as `docker load` and containerd import it, and returns its size in MiB."""
        self.buildah("push", "--quiet", tag, f"docker-archive:{archive}:{full_name(tag)}")
        return archive.stat().st_size >> 20


def _copy_tree(source, place):
    shutil.copytree(source, place, symlinks=True)


def full_name(tag):
    """As Docker and containerd write it."""
    first, separator, _ = tag.partition("/")
    if not separator:
        return f"docker.io/library/{tag}"
    return tag if "." in first or ":" in first else f"docker.io/{tag}"


def bases():
    """The Dockerfile's FROM lines, with its arguments' defaults: the page's, the program's, the last stage's."""
    text = (ROOT / "Dockerfile").read_text()
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    named = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    return [full_name(re.sub(r"\$\{(\w+)\}", lambda found: defaults[found[1]], name)) for name in named]


def last_base(store):
    store.stand_in(bases()[-1], ["libc6", "libgcc-s1"], f"USER {UNPRIVILEGED}")


def of_dockerfile(store):
    """Builds the Dockerfile, every stage of it, with this machine's Rust and Node."""
    page, program, _ = bases()
    node, npm = (pathlib.Path(shutil.which(name)).resolve() for name in ("node", "npm"))
    store.stand_in(page, ["bash", "dash", "coreutils"], """\
        ENV PATH=/usr/local/bin:/usr/bin:/bin NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
        RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
        RUN ln -s ../local/bin/node /usr/bin/node
        """, [(node, "usr/local/bin/node"), *_libraries(node), (npm.parent.parent, "usr/local/lib/node_modules/npm"),
              (pathlib.Path(shutil.which("env")).resolve(), "usr/bin/env")])
    store.stand_in(program, ["bash", "dash", "coreutils", "gcc", "libc6-dev", "libc-bin"],
                   "ENV CARGO_HOME=/usr/local/cargo PATH=/opt/rust/bin:/usr/bin:/bin")
    last_base(store)
    rust = run("rustc", "--print", "sysroot", directory=ROOT).stdout.strip()
    store.buildah("build", *BUILD, "--tag", OCTET, "--volume", f"{rust}:/opt/rust:ro",
                  "--build-arg", "REVISION=made-for-a-test", "--file", ROOT / "Dockerfile", ROOT)


def _libraries(program):
    """The shared libraries of a program that no package owns."""
    paths = re.findall(r"(/\S+)", run("ldd", program).stdout)
    return [(pathlib.Path(path).resolve(), path.replace("/lib", "usr/lib", 1) if path.startswith("/lib") else path)
            for path in paths]


def of_program(store, program):
    """The Dockerfile's last stage around a program that cargo built here."""
    last_base(store)
    built = store.directory / "built"
    place = built / "usr/local/bin/octet"
    place.parent.mkdir(parents=True)
    # Without symbols a debug build is a third of the size.
    run("strip", "-o", place, program)
    place.chmod(0o755)
    stage = (ROOT / "Dockerfile").read_text().rsplit("\nFROM ", 1)[1]
    store.build(OCTET, f"FROM {stage}", built, "--build-context", f"build={built}")


def pause(store):
    """What holds a pod's namespaces."""
    store.stand_in(PAUSE, ["libc6"], 'CMD ["/usr/bin/sleep", "infinity"]',
                   [(pathlib.Path("/usr/bin/sleep").resolve(), "usr/bin/sleep")])


def curl(store, tag):
    store.stand_in(tag, ["curl", "dash", "coreutils", "grep"], f"USER {UNPRIVILEGED}")


def mongodb(store, tag):
    """A server of MongoDB's protocol with the variables and commands of MongoDB's image."""
    store.stand_in(tag, ["python3", "dash", "coreutils"], """\
        ENV PATH=/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/nx PYTHONDONTWRITEBYTECODE=1
        EXPOSE 27017
        ENTRYPOINT ["/usr/bin/python3", "/usr/local/bin/mongod"]
        """, [(NX, "opt/nx"), (HERE / "stand_in/mongod.py", "usr/local/bin/mongod"),
              (HERE / "stand_in/mongosh", "usr/local/bin/mongosh")])


def rabbitmq(store, tag, release=None):
    """RabbitMQ of this machine's Debian or of another release, with the variables of RabbitMQ's image."""
    files = [(HERE / "stand_in/rabbitmq.sh", "usr/local/bin/docker-entrypoint.sh")]
    if release:
        root = store.directory / "root"
        run(UNPACK, release, root, "rabbitmq-server")
        return store.of_root(tag, root, RABBITMQ, files)
    awk = "gawk" if _has("gawk") else "mawk"
    names = ["rabbitmq-server", "bash", "dash", "coreutils", "libc-bin", "sed", "grep", awk]
    return store.stand_in(tag, names, RABBITMQ, files)


RABBITMQ = """\
    ENV PATH=/usr/local/bin:/usr/lib/rabbitmq/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/rabbitmq LC_ALL=C.UTF-8
    EXPOSE 5672
    # A new volume has the directory's owner.
    RUN mkdir -p /var/lib/rabbitmq /var/log/rabbitmq && chown -R 999:999 /var/lib/rabbitmq /var/log/rabbitmq
    USER 999:999
    ENTRYPOINT ["/bin/bash", "/usr/local/bin/docker-entrypoint.sh"]
    """


def zipkin(store, tag):
    """Octet's collector, which has Zipkin's API and its port."""
    store.build(tag, f"""\
        FROM localhost/{OCTET}
        HEALTHCHECK --interval=1s CMD ["/usr/local/bin/octet", "health", "http://127.0.0.1:9412/readyz"]
        CMD ["collector"]
        """, store.directory)


def prometheus(store, tag):
    """Debian's Prometheus, with the directory and the user of Prometheus's image."""
    store.stand_in(tag, ["prometheus", "wget", "dash", "coreutils"], """\
        RUN mkdir /prometheus && chown 65534:65534 /prometheus
        USER 65534:65534
        ENTRYPOINT ["/usr/bin/prometheus"]
        """)


def page(store, tag, port):
    """The health check of a web application, and nothing else of it."""
    store.stand_in(tag, ["python3", "wget", "dash", "coreutils"], f'ENTRYPOINT ["/usr/bin/python3", "/opt/page.py", "{port}"]',
                   [(HERE / "stand_in/page.py", "opt/page.py")])


def s3(store, tag):
    """moto's S3 server with an empty bucket `lake`. What only reads of lakes need stays out."""
    server = store.directory / "moto"
    shutil.copytree(LAKE, server, symlinks=True, ignore=shutil.ignore_patterns("pyarrow*", "*duckdb*", "__pycache__"))
    store.stand_in(tag, ["python3"], """\
        ENV PYTHONPATH=/opt/moto PYTHONDONTWRITEBYTECODE=1
        ENTRYPOINT ["/usr/bin/python3", "/opt/s3.py", "5000"]
        """, [(server, "opt/moto"), (HERE / "stand_in/s3.py", "opt/s3.py")])
    shutil.rmtree(server)


def _has(package):
    return pathlib.Path(f"/var/lib/dpkg/info/{package}.list").exists()
