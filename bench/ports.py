"""Takes a block of ports that no other bench or test gets."""

import fcntl
import pathlib
import random
import socket
import tempfile

# `octet up --base-port N` takes 160 from N.
BLOCK = 160

# Below Linux's ephemeral ports, which clients may take. The blocks, and their locks, are those of the tests.
FIRST, END = 11_000, 32_600

HOST = "127.0.0.1"


# The locks of this process, which the system releases when the process ends.
_locks = []


def free_block() -> int:
    """The first port of a block whose ports are free; it is this process's own until the process ends."""
    bases = list(range(FIRST, END - BLOCK + 1, BLOCK))
    random.shuffle(bases)
    for base in bases:
        lock = (pathlib.Path(tempfile.gettempdir()) / f"octet-ports-{base}.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        if all(_is_free(port) for port in range(base, base + BLOCK)):
            _locks.append(lock)
            return base
        lock.close()
    raise OSError(f"no {BLOCK} consecutive ports are free between {FIRST} and {END}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection in TIME_WAIT does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
