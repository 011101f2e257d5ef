"""gunicorn's threaded worker, which outlives what gunicorn's own does not (ADR 0022). On a unix socket for nginx alone, which sends
requests as a whole, nothing more is needed.
"""

import errno
import logging
import signal
import time

from gunicorn.workers.gthread import ThreadWorker

from web_app.config import watched

_REST = 1.0  # seconds without accepting, after accepting failed
_NOBODY_THERE = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EINTR)

logger = logging.getLogger(__name__)


class SteadyWorker(ThreadWorker):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._accept_from = 0.0

    def init_signals(self) -> None:
        # gunicorn's own would let it end the process.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        super().init_signals()
        signal.signal(signal.SIGHUP, lambda *_: watched.look_now())
        signal.siginterrupt(signal.SIGHUP, False)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])

    def set_accept_enabled(self, enabled: bool) -> None:
        if not enabled or time.monotonic() >= self._accept_from:
            super().set_accept_enabled(enabled)

    def accept(self, listener) -> None:
        try:
            super().accept(listener)
        except OSError as exc:
            if exc.errno in _NOBODY_THERE:
                return
            # Out of descriptors or memory: new connections wait in the socket's queue.
            logger.error("accepting_failed", extra={"errno": exc.errno, "connections": self.nr_conns})
            self._accept_from = time.monotonic() + _REST
            self.set_accept_enabled(False)
