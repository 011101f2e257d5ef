"""A TCP relay on loopback that holds every byte back for half a round trip in each direction.

It models a path with delay and no other limit: each of its own connections is local, so TCP's window never binds,
while a window that the two ends agree on themselves (HTTP/2) does. Real TCP can only be slower than this.
"""

import collections
import socket
import threading
import time

CHUNK = 256 * 1024
# The most that is under way in one direction; Linux grows a receive window about as far.
UNDER_WAY = 32 << 20


class Relay:
    """Listens on `port` from `start` to `stop`; `round_trip` in seconds."""

    def __init__(self, upstream_port: int, round_trip: float):
        self._upstream = ("127.0.0.1", upstream_port)
        self._one_way = round_trip / 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc) -> None:
        # shutdown wakes the accept that close alone would leave waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            upstream = socket.create_connection(self._upstream)
            for source, sink in ((client, upstream), (upstream, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Line(source, sink, self._one_way).start()


class _Line:
    """One direction: a reader stamps what comes in, a writer lets it out when it is due."""

    def __init__(self, source: socket.socket, sink: socket.socket, delay: float):
        self._source, self._sink, self._delay = source, sink, delay
        self._queue: collections.deque[tuple[float, bytes]] = collections.deque()
        self._held = 0
        self._changed = threading.Condition()

    def start(self) -> None:
        for work in (self._read, self._write):
            threading.Thread(target=work, daemon=True).start()

    def _read(self) -> None:
        data = b"-"
        while data:
            try:
                data = self._source.recv(CHUNK)
            except OSError:
                data = b""
            with self._changed:
                self._changed.wait_for(lambda: self._held < UNDER_WAY)
                self._queue.append((time.monotonic() + self._delay, data))
                self._held += len(data)
                self._changed.notify()

    def _write(self) -> None:
        broken = False
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue)
                due, data = self._queue.popleft()
                self._held -= len(data)
                self._changed.notify()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                break
            try:
                if not broken:
                    self._sink.sendall(data)
            except OSError:
                broken = True
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._sink.close()
