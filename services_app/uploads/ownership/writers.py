"""The requests of this process that are writing now: their leases, and how one of them is told to stop.

A watcher thread renews the leases of all of them, so that one which waits for its sender or for a store that stalls is
not taken for dead. It keeps its connection to the database for itself: where a store that stalls, or a crowd, holds all others of
the process, the leases must be renewed all the same.

A newer request raises `contender` in the database. If the older one is in this process it is told at once; otherwise a
watcher in its process sees it within WATCH_EVERY: one query for all of a process's uploads, however many there are. To
be told means that its socket is shut for reading, so that a thread which waits in recv on a dead line wakes up as well.

Likewise a request whose permission was taken back (ADR 0028), within REVOKED_EVERY and wherever web_app was heard.
"""

import contextlib
import logging
import operator
import socket
import threading
import time
import uuid
from collections.abc import Iterable
from functools import reduce

from django.db import connection
from django.db.models import F, Q

from services_app.revocations import heard
from services_app.tokens.claims import Claims
from services_app.uploads import errors, policies
from services_app.uploads.models import Upload
from services_app.uploads.states import RUNNING, State

from . import leases
from .places import are_scarce, places

log = logging.getLogger("sluice.uploads")

WATCH_EVERY = 0.1  # seconds; a takeover is to take less than one
WATCH_AGAIN = 1.0  # seconds, after a fault
REVOKED_EVERY = 1.0  # seconds; a revocation is to take less than ten


class Writer:
    """One request that writes an upload. `superseded` says that it must stop before its next write, `refusal` also why where its
    permission was taken back; `claims` are those that it runs under, None for a request of our own.
    """

    def __init__(self, generation: int, connection: socket.socket | None, claims: Claims | None = None):
        self.generation, self.superseded, self.claims = generation, False, claims
        self.refusal: Exception | None = None
        self._connection = connection

    def stop(self) -> None:
        self.superseded = True
        if self._connection is not None:
            # The plain socket's shutdown: the TLS layer is in use by the thread that is to wake up, and still has an
            # answer to send.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._connection, socket.SHUT_RD)


_lock = threading.Condition()
_writers: dict[uuid.UUID, Writer] = {}
_watcher: threading.Thread | None = None


@contextlib.contextmanager
def writing(upload: Upload, connection: socket.socket | None = None, claims: Claims | None = None):
    """Register the current request as the writer of `upload` for the length of a `with` block. Raises Busy where nobody could renew
    its lease.
    """
    global _watcher
    writer = Writer(upload.generation, connection, claims)
    with _lock:
        if _watcher is None or not _watcher.is_alive():
            _watcher = threading.Thread(target=_watch, name="sluice-takeovers", daemon=True)
            try:
                _watcher.start()
            except RuntimeError as exc:  # no more threads
                raise errors.Busy from exc
        _writers[upload.id] = writer
        _lock.notify()
    try:
        with places.held(upload.grant.sub, upload.id, is_granted=True):
            yield writer
    finally:
        with _lock:
            if _writers.get(upload.id) is writer:
                del _writers[upload.id]


def stop(upload_id: uuid.UUID, contender: int) -> None:
    """Tell the writer of this upload to stop for a newer request, if it is in this process and older than that one."""
    with _lock:
        writer = _writers.get(upload_id)
    if writer is not None and writer.generation < contender:
        writer.stop()


def look_for_refusal(*asked: Writer) -> Exception | None:
    """Stop those of these writers whose permission was taken back; returns what the first of them is told, None for nothing."""
    claimed = [writer for writer in asked if writer.claims is not None]
    revoked = heard.among({subject for writer in claimed for subject in heard.subjects_of(writer.claims)})
    for writer in claimed:
        if refusal := policies.refusal_of(writer.claims, revoked):
            writer.refusal = refusal
            writer.stop()
    return next((writer.refusal for writer in asked if writer.refusal is not None), None)


def _watch() -> None:
    renew_at = time.monotonic() + leases.RENEW_EVERY
    look_at = time.monotonic() + REVOKED_EVERY
    while True:
        with _lock:
            _lock.wait_for(lambda: _writers)
        # Before the first look: most appends are over by then, and cost no query. A fresh lease needs no renewal yet.
        time.sleep(WATCH_EVERY)
        with _lock:
            running = list(_writers.values())
            ours = {upload_id: writer.generation for upload_id, writer in _writers.items()}
        if not ours:
            continue
        try:
            if connection.errors_occurred:
                connection.close()
            for upload_id, contender in contended(ours):
                stop(upload_id, contender)
            if time.monotonic() >= look_at:
                look_for_refusal(*running)
                look_at = time.monotonic() + REVOKED_EVERY
            if time.monotonic() >= renew_at:
                renew(ours)
                places.are_scarce = are_scarce(sum(leases.count_receiving()))
                renew_at = time.monotonic() + leases.RENEW_EVERY
        except Exception:  # whatever it was: without this thread every lease of the process would run out
            log.warning("takeovers unknown", exc_info=True)
            time.sleep(WATCH_AGAIN)


def renew(held: dict[uuid.UUID, int]) -> None:
    """Keep the leases of these uploads, held in these generations; one that somebody else took over is left alone."""
    if held:
        ours = reduce(operator.or_, (Q(id=upload_id, generation=held[upload_id]) for upload_id in held))
        Upload.objects.filter(ours, state__in=RUNNING).update(**leases.held())


def contended(held: Iterable[uuid.UUID]) -> list[tuple[uuid.UUID, int]]:
    """Those of these uploads that a newer request wants, or that were taken back meanwhile, with that one's number."""
    lost = Upload.objects.filter(id__in=list(held), state__in=(State.RECEIVING, State.ABORTED), contender__gt=F("generation"))
    return list(lost.values_list("id", "contender"))
