"""A block of ports that nobody holds."""

import random
import socket

# `octet up --base-port N` takes 160 from N.
BLOCK = 160

# Below Linux's ephemeral ports: there, a client's own port could be the one we want.
FIRST, END = 20_000, 32_768

HOST = "127.0.0.1"


def free_block() -> int:
    """The first port of a free block; at random, so that two benches do not race for the same one."""
    bases = list(range(FIRST, END - BLOCK + 1, BLOCK))
    random.shuffle(bases)
    for base in bases:
        if all(_is_free(port) for port in range(base, base + BLOCK)):
            return base
    raise OSError(f"no {BLOCK} neighbouring ports are free between {FIRST} and {END}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do: a connection that lingers after its end does not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
