"""Finds a free block of ports."""

import random
import socket

# `octet up --base-port N` takes 160 from N.
BLOCK = 160

# Below Linux's ephemeral ports, which clients may take.
FIRST, END = 20_000, 32_768

HOST = "127.0.0.1"


def free_block() -> int:
    """The first port of a free block, chosen at random so that two benches do not compete for one."""
    bases = list(range(FIRST, END - BLOCK + 1, BLOCK))
    random.shuffle(bases)
    for base in bases:
        if all(_is_free(port) for port in range(base, base + BLOCK)):
            return base
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
