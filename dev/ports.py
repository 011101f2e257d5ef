"""Which ports of this machine can be listened on? Standard library only."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path

DEMO = 8443
_ours = []  # files whose locks say that a port is taken; they end with this process


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
    """Ports that nothing listens on, below the range from which the kernel takes outgoing ones; nobody else who asks here is given
    them while this process lives. Raises OSError.
    """
    chosen: list[int] = []
    start = int.from_bytes(os.urandom(2)) % 10000
    for step in range(10000):
        port = 20000 + (start + step * 7) % 10000
        if is_free(port) and _take(port):
            chosen.append(port)
            if len(chosen) == count:
                return chosen
    raise OSError("no free ports between 20000 and 30000")


def _take(port: int) -> bool:
    """Between a look at a port and the first use of it another run may look as well."""
    folder = Path(tempfile.gettempdir()) / f"sluice-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = (folder / str(port)).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _ours.append(file)
    return True


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
