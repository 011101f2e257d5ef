"""gunicorn's threaded worker, in which a thread is for requests alone (ADR 0022)."""

import collections
import errno
import logging
import selectors
import signal
import ssl
import time
from functools import partial

from gunicorn import http
from gunicorn.sock import ssl_context
from gunicorn.workers.gthread import TConn, ThreadWorker

from . import watched
from .arriving import Arriving, Farewell, keep_watch, largest_head

ARRIVE_WITHIN = 10.0  # seconds for handshake and head; of a kept connection, from the first byte of its next request
_REST = 1.0  # seconds without accepting, after accepting failed
_TELL_EVERY = 60.0  # seconds

_NOBODY_THERE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR)

log = logging.getLogger("sluice.listener")


class DrainingWorker(ThreadWorker):
    """Connections wait in the poller until a whole head is there: for a handshake, for its first byte, for the rest of it. gunicorn's own
    worker waits for all three in a thread, without limit, and sixteen silent connections are then sixteen threads.

    Told to stop, it closes its listeners at once. gunicorn's own keeps them open until its last request has ended, which for an
    upload may be hours: connections would pile up unanswered, and a successor could not bind.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._arriving: dict[object, Arriving] = {}  # by socket, in the order of their deadlines
        self._most = largest_head(self.cfg)
        self._accept_from = 0.0
        self._ended: collections.Counter[str] = collections.Counter()
        self._tell_at = 0.0

    # -- signals -------------------------------------------------------------------------------------------------------
    def init_signals(self):
        # gunicorn's own would let it end the process, and with it every upload.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        super().init_signals()
        signal.signal(signal.SIGHUP, lambda *_: watched.look_now())
        signal.siginterrupt(signal.SIGHUP, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])

    # -- listening -----------------------------------------------------------------------------------------------------
    def set_accept_enabled(self, enabled: bool) -> None:
        if enabled and time.monotonic() < self._accept_from:
            return
        super().set_accept_enabled(enabled)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def accept(self, listener) -> None:
        try:
            sock, address = listener.accept()
        except OSError as exc:
            if exc.errno not in _NOBODY_THERE:
                self._rest(exc)
            return
        self.nr_conns += 1
        conn = TConn(self.cfg, sock, address, listener.getsockname())
        try:
            keep_watch(sock)
            if self.cfg.is_ssl:
                conn.sock = ssl_context(self.cfg).wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            self._wait_for_head(conn)
        except OSError:  # gone already
            self.nr_conns -= 1
            conn.close()
            return
        if self.nr_conns >= self.worker_connections:
            self._make_room(conn)

    def _rest(self, exc: OSError) -> None:
        """Out of descriptors or memory: what is open goes on, and new connections wait in the socket's queue."""
        log.error("accepting failed, goes on in a moment", extra={"errno": exc.errno, "connections": self.nr_conns})
        self._accept_from = time.monotonic() + _REST
        self.set_accept_enabled(False)

    def _make_room(self, newest) -> None:
        """Who has not yet proved who he is and has had the longest time for it makes room for the next."""
        stranger = next((one for one in self._arriving.values() if not one.is_secured), None)
        if stranger is not None and stranger.conn is not newest:
            self._end(stranger, "crowded_out")

    # -- until a request is known --------------------------------------------------------------------------------------
    def enqueue_req(self, conn) -> None:
        """Where gunicorn would give a connection to a thread. What it has read of the next request already is kept."""
        self._wait_for_head(conn, conn.parser.unreader.take_buffered())

    def _wait_for_head(self, conn, held: bytes = b"") -> None:
        conn.sock.setblocking(False)
        arriving = Arriving(conn, time.monotonic() + ARRIVE_WITHIN, held)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_arriving, arriving))
        self._arriving[conn.sock] = arriving
        self._on_arriving(arriving, conn.sock)

    def _on_arriving(self, arriving: Arriving, sock) -> None:
        if sock not in self._arriving:
            return  # ended by what came before it in the same round of events
        again = partial(self._on_arriving, arriving)
        try:
            arriving.advance(self._most)
        except (BlockingIOError, ssl.SSLWantReadError):
            self.poller.modify(sock, selectors.EVENT_READ, again)
        except ssl.SSLWantWriteError:
            self.poller.modify(sock, selectors.EVENT_WRITE, again)
        except Farewell:
            self._end(arriving, "left" if not arriving.conn.initialized else None)
        except (OSError, ValueError):
            self._end(arriving, "cut_off" if arriving.is_secured else "handshake_failed")
        else:
            self._hand_over(arriving)

    def _hand_over(self, arriving: Arriving) -> None:
        conn = arriving.conn
        self._forget(conn)
        if not conn.initialized:
            conn.initialized = conn.data_ready = True
            conn.parser = http.get_parser(self.cfg, conn.sock, conn.client)
        conn.parser.unreader.unread(bytes(arriving.head))
        super().enqueue_req(conn)

    def _end(self, arriving: Arriving, cause: str | None) -> None:
        self._forget(arriving.conn)
        self.nr_conns -= 1
        arriving.conn.close()
        if cause:
            self._ended[cause] += 1

    def _forget(self, conn) -> None:
        del self._arriving[conn.sock]
        self.poller.unregister(conn.sock)

    def handle_error(self, req, client, addr, exc) -> None:
        self._ended["malformed"] += 1  # instead of gunicorn's warning for each (logs.py)
        super().handle_error(req, client, addr, exc)

    # -- time ----------------------------------------------------------------------------------------------------------
    def murder_pending(self) -> None:
        """Called by gunicorn at least once a second, also while it stops."""
        now = time.monotonic()
        while self._arriving and (oldest := next(iter(self._arriving.values()))).deadline <= now:
            self._end(oldest, "too_slow")
        if self._ended and now >= self._tell_at:
            log.info("connections ended before a request", extra=dict(self._ended))
            self._ended.clear()
            self._tell_at = now + _TELL_EVERY

    def _cap_keepalive(self, deadline: float) -> None:
        """Called by gunicorn when it stops: what is on its way gets the same short time as a kept connection."""
        super()._cap_keepalive(deadline)
        for arriving in self._arriving.values():
            arriving.deadline = min(arriving.deadline, deadline)
