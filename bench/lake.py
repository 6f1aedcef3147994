#!/usr/bin/env python3
"""`make bench-lake`: `octet hydrate` beside ADBC with pyarrow, DuckDB and connectorx, on one table of PostgreSQL.

CPU seconds and peak memory are those of the copying process alone; PostgreSQL is not counted. Every program runs in each
round, one after the other; the table has the median.
"""

import argparse
import os
import pwd
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import ports
import proc

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
PEERS = ("adbc", "duckdb", "connectorx")
MEMORY = 64

TABLE = """
CREATE TABLE message (id bigint PRIMARY KEY, at timestamptz NOT NULL, customer int NOT NULL, amount numeric(12, 2),
    weight double precision, is_paid boolean, day date, country text, note text, reference uuid);
INSERT INTO message SELECT n, '2026-01-01'::timestamptz + n * interval '1 ms', n % 50000, (n % 1000000) / 100.0,
    n / 7.0, n % 3 = 0, '2026-01-01'::date + (n % 365)::int, 'country ' || n % 109,
    md5(n::text) || ' ' || md5((n * 7)::text), md5(n::text)::uuid FROM generate_series(1, {rows}) n;
CREATE INDEX ON message (at, id);
"""


class Postgres:
    """A server of its own, which ends with the bench."""

    def __init__(self, directory: Path) -> None:
        self.data, self.port = directory / "data", ports.free_block()
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            sys.exit("PostgreSQL is not installed: run `make tools`")
        self.programs = programs[-1]
        self.data.mkdir()
        self.user = None
        if os.geteuid() == 0:
            # The server refuses to run as root.
            entry = pwd.getpwnam("postgres")
            self.user = entry.pw_uid
            directory.chmod(0o711)
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        self.run("initdb", "--username=postgres", "--auth=trust", "--no-sync", "-D", self.data)
        command = [self.programs / "postgres", "-h", "127.0.0.1", "-p", str(self.port), "-k", self.data, "-D", self.data]
        log = open(directory / "log", "wb")
        self.server = subprocess.Popen(command, user=self.user, stdout=log, stderr=log, cwd=self.data)
        deadline = time.monotonic() + 60
        while self.sql("SELECT 1", check=False).returncode != 0:
            if time.monotonic() > deadline:
                sys.exit(f"PostgreSQL did not start:\n{(directory / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def run(self, program, *arguments):
        command = [self.programs / program, *arguments]
        subprocess.run(command, user=self.user, check=True, stdout=subprocess.DEVNULL, cwd=self.data)

    def sql(self, text: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [self.programs / "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.url(), "-c", text]
        done = subprocess.run(command, capture_output=True, text=True)
        if check and done.returncode != 0:
            sys.exit(f"psql failed: {done.stderr}")
        return done

    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def stop(self) -> None:
        self.server.send_signal(signal.SIGINT)
        self.server.wait(timeout=60)


def measured(command, environment) -> "tuple[float, float, float]":
    """Seconds, CPU seconds and peak MiB of a process that must succeed."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{output.decode(errors='replace')[-2000:]}")
    return time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def configuration(directory: Path, server: Postgres, sink: str, where: str = "") -> Path:
    file = directory / "lake.toml"
    file.write_text(
        f'[source.bench]\nconnection.url = "{server.url()}?sslmode=disable"\nmode = "timestamp+incrementing"\n'
        f'timestamp.column.name = "at"\nincrementing.column.name = "id"\ntopic.prefix = "message"\n'
        f'query = "SELECT * FROM message{where}"\n[sink.bench]\ntopics = "message"\n{sink}'
    )
    return file


def hydrate(octet: Path, file: Path, lake: Path) -> list[str]:
    return [str(octet), "hydrate", "--config", str(file), "--to", f"file://{lake}"]


def copy(name: str, codec: str, server: Postgres, octet: Path, peers: Path) -> "tuple[float, float, float]":
    with tempfile.TemporaryDirectory() as directory:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(peers), "LOG_LEVEL": "warn"}
        if name == "octet":
            sink = f'format.class = "parquet"\nparquet.codec = "{codec}"\nflush.size = 1000000\n'
            file = configuration(Path(directory), server, sink)
            return measured(hydrate(octet, file, Path(directory) / "lake"), environment)
        script = Path(__file__).with_name("lake_peer.py")
        target = Path(directory) / "rows.parquet"
        return measured([sys.executable, str(script), name, server.url(), str(target), codec], environment)


def small_objects(server: Postgres, octet: Path, rows: int) -> float:
    """Rows a second with `flush.size` 100, as JSON lines in a directory."""
    with tempfile.TemporaryDirectory() as directory:
        file = configuration(Path(directory), server, "flush.size = 100\n", f" WHERE id <= {rows}")
        environment = {"LOG_LEVEL": "warn"}
        seconds, _, _ = measured(hydrate(octet, file, Path(directory) / "lake"), environment)
        return rows / seconds


def idle(server: Postgres, octet: Path, seconds: float) -> float:
    """The share of a core of `--follow` without new rows."""
    with tempfile.TemporaryDirectory() as directory:
        file = configuration(Path(directory), server, "flush.size = 1000\n", " WHERE id <= 1000")
        environment = {"LOG_LEVEL": "warn", "ADMIN_PORT": "127.0.0.1:0"}
        command = [*hydrate(octet, file, Path(directory) / "lake"), "--follow"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            time.sleep(10)
            before = proc.cpu_seconds(process.pid)
            time.sleep(seconds)
            return (proc.cpu_seconds(process.pid) - before) / seconds
        finally:
            process.terminate()
            process.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codecs", default="zstd,gzip")
    parser.add_argument("--idle", type=float, default=60, help="seconds of the idle measurement; 0 leaves it out")
    parser.add_argument("--octet", type=Path, default=TARGET / "release" / "octet")
    options = parser.parse_args()
    peers = TARGET / "bench" / "lake-peers"
    if not peers.is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", peers]
        subprocess.run([*command, "-r", Path(__file__).with_name("lake_peers.txt")], check=True)
    with tempfile.TemporaryDirectory(prefix="octet-bench-lake-") as directory:
        server = Postgres(Path(directory))
        try:
            run(options, server, peers)
        finally:
            server.stop()


def run(options: argparse.Namespace, server: Postgres, peers: Path) -> None:
    server.sql(TABLE.format(rows=options.rows))
    server.sql("VACUUM ANALYZE message")
    size = server.sql("SELECT pg_table_size('message') / 1000000").stdout.strip()
    print(f"{options.rows:,} rows of 10 columns, {size} MB, {proc.cores()} cores, load {proc.load_average()}\n")
    print("| codec | program | seconds | CPU seconds | peak MiB |\n|---|---|---|---|---|")
    for codec in options.codecs.split(","):
        figures: dict[str, list[tuple[float, float, float]]] = {}
        for _ in range(options.rounds):
            for name in ("octet", *PEERS):
                figures.setdefault(name, []).append(copy(name, codec, server, options.octet, peers))
        medians = {name: [median(column) for column in zip(*runs)] for name, runs in figures.items()}
        for name, (seconds, cpu, peak) in medians.items():
            print(f"| {codec} | {name} | {seconds:.1f} | {cpu:.2f} | {peak:.0f} |")
        best = min(medians[name][1] for name in PEERS)
        cpu, peak = medians["octet"][1], medians["octet"][2]
        print(f"\n{codec}: CPU {cpu / best:.2f} of the best peer's (goal 1.00), peak {peak:.0f} MiB (goal {MEMORY + 32})\n")
    rate = small_objects(server, options.octet, min(options.rows, 100_000))
    print(f"flush.size=100 in a directory: {rate:,.0f} rows/s (goal 10,000)")
    if options.idle:
        print(f"idle poll: {idle(server, options.octet, options.idle) * 100:.2f} % of a core (goal 0.2)")


main()
