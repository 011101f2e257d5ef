"""Which ports of this machine can be listened on? Standard library only."""

import os
import socket

DEMO = 8443


def check(port: int) -> None:
    """Raises OSError as a server would meet it. Both loopbacks: a browser may try either for `localhost`."""
    _bind(socket.AF_INET, "127.0.0.1", port)
    if _has_ipv6():
        _bind(socket.AF_INET6, "::1", port)


def is_free(port: int) -> bool:
    try:
        check(port)
    except OSError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, below the range from which the kernel takes outgoing ones. Raises OSError."""
    chosen: list[int] = []
    start = int.from_bytes(os.urandom(2)) % 10000
    for step in range(10000):
        port = 20000 + (start + step * 7) % 10000
        if port not in chosen and is_free(port):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise OSError("no free ports between 20000 and 30000")


def _has_ipv6() -> bool:
    try:
        _bind(socket.AF_INET6, "::1", 0)
    except OSError:
        return False
    return True


def _bind(family: int, address: str, port: int) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # A port in TIME_WAIT is free to a server; one that is listened on is not, with or without this.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
