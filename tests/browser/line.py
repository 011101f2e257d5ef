"""The network between the browser and the edge: a TCP relay that can be slow, break, or lose an answer.

The bytes are TLS, so the relay knows nothing of requests but how much went which way. Over HTTP/1.1 a connection that carries
more than `BODY` bytes up can only be carrying a file.
"""

import contextlib
import socket
import struct
import threading
import time

CHUNK = 64 * 1024
BODY = 512 * 1024


class Line:
    """Listens on `port` from `__enter__` to `__exit__` and passes everything on to 127.0.0.1:`to_port`.

    rate            bytes a second upwards, for each connection; None: as fast as it goes
    silent          no byte of a file goes up any more, and nobody is told
    down            new connections are refused and old ones cut
    lose_replies    a connection that carried a file is cut when its answer comes, and the answer with it
    down_after_reply   and the line goes down then
    hole            nothing passes either way and nothing is closed, as when a cable is pulled somewhere in between
    carried         bytes that went up since `restore`
    """

    def __init__(self, to_port: int):
        self._to = ("127.0.0.1", to_port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self.restore()

    def restore(self) -> None:
        """A good line again."""
        self.rate: int | None = None
        self.silent = False
        self.down = False
        self.lose_replies = False
        self.down_after_reply = False
        self.replies_lost = 0
        self.hole = False
        self.carried = 0

    def __enter__(self) -> "Line":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc) -> None:
        # shutdown wakes the accept that close alone would leave waiting.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self, *, bodies_only: bool = False) -> int:
        """Close connections as a broken line would; returns how many."""
        with self._lock:
            doomed = [each for each in self._connections if each.up > BODY or not bodies_only]
        for connection in doomed:
            connection.close()
        return len(doomed)

    @property
    def carried_bodies(self) -> bool:
        with self._lock:
            return any(each.up > BODY for each in self._connections)

    def go_down(self) -> None:
        self.down = True
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.down:
                client.close()
                continue
            try:
                edge = socket.create_connection(self._to)
            except OSError:
                client.close()  # the edge is not running
                continue
            connection = _Connection(self, client, edge)
            with self._lock:
                self._connections.add(connection)
            connection.start()
            # Held here, its sockets would stay half open after their end, until the next connection comes.
            del client, connection

    def count(self, size: int) -> None:
        with self._lock:
            self.carried += size

    def forget(self, connection: "_Connection") -> None:
        with self._lock:
            self._connections.discard(connection)


class _Connection:
    def __init__(self, line: Line, client: socket.socket, edge: socket.socket):
        self._line, self._client, self._edge = line, client, edge
        self.up = 0  # bytes that the edge's socket took
        self._ending, self._ways_left = threading.Lock(), 2

    def start(self) -> None:
        for one_way in (self._upwards, self._downwards):
            threading.Thread(target=one_way, daemon=True).start()

    def close(self) -> None:
        """With a reset, so that a browser that is busy sending notices at once; shutdown wakes our own threads first."""
        for end in (self._client, self._edge):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _wait_out_the_hole(self) -> None:
        while self._line.hole:
            time.sleep(0.02)

    def _upwards(self) -> None:
        owed, since = 0.0, time.monotonic()
        with contextlib.suppress(OSError):
            while data := self._client.recv(CHUNK):
                self._wait_out_the_hole()
                while self._line.silent and self.up > BODY and self._client.fileno() >= 0:
                    time.sleep(0.02)
                self._edge.sendall(data)
                self.up += len(data)
                self._line.count(len(data))
                owed += len(data)
                # In small steps, since a test may change its mind about the rate.
                while rate := self._line.rate:
                    now = time.monotonic()
                    # A line that was idle does not make up for it afterwards, but for a little.
                    owed, since = max(owed - (now - since) * rate, -0.05 * rate), now
                    if owed <= 0:
                        break
                    time.sleep(0.02)
                else:
                    owed, since = 0.0, time.monotonic()
        self._ended(self._edge)

    def _downwards(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._edge.recv(CHUNK):
                self._wait_out_the_hole()
                # TLS 1.3's session tickets come before any body, so what follows a body is its answer.
                if self._line.lose_replies and self.up > BODY:
                    self._line.replies_lost += 1
                    if self._line.down_after_reply:
                        self._line.go_down()
                    self.close()
                    break
                self._client.sendall(data)
        self._ended(self._client)

    def _ended(self, towards: socket.socket) -> None:
        """One way has ended: that is passed on, and the other way stays open until it ends too.

        Closing both at once would leave a browser that is busy sending with a full window and no reset, for a minute.
        """
        with contextlib.suppress(OSError):
            towards.shutdown(socket.SHUT_WR)
        with self._ending:
            self._ways_left -= 1
            if self._ways_left:
                return
        self._line.forget(self)
        for end in (self._client, self._edge):
            end.close()
