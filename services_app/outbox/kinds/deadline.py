"""A bound on how long a connection may take in all. A socket's own timeout is one between two bytes: who drips could take for ever."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def cut_off(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Shut the connection down once that time is over, whatever is under way in this block: which then meets an OSError or its end."""

    def shut() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS or not; ssl's own forgets its state under the other thread

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
