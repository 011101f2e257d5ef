"""The thread of the uploads process in which folders are unpacked, one at a time and behind everybody else (ADR 0044)."""

import contextlib
import logging
import math
import os
import threading
import time

from django.db import connection

from services_app.config import connections

from . import unpack
from .models import Unpacking

log = logging.getLogger("sluice.unpack")

LOOK_EVERY = 60.0  # seconds: what another process committed, or one that is gone had begun
TRY_AGAIN_AFTER = 600.0  # seconds; what will not pass by itself is left to `recover`, and to a person
_NICE = 10

_look = threading.Event()


def begin() -> None:
    """In a process that serves; commands have no such thread. It ends with the process, which costs the try that is under way."""
    threading.Thread(target=_run, name="sluice-unpack", daemon=True).start()


def look() -> None:
    """There may be something to do."""
    _look.set()


def _run() -> None:
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)  # of this thread alone: setpriority(2), "Bugs"
    rests: dict = {}  # upload id → until when, by the monotonic clock
    while True:
        _look.clear()
        try:
            _unpack_all(rests)
        except Exception:  # whatever it was: the database is away, or it is a fault of ours
            log.warning("not looked", exc_info=True)
            connection.close()
        connections.give_back()
        _look.wait(LOOK_EVERY)


def _unpack_all(rests: dict) -> None:
    for each in unpack.due():
        if time.monotonic() < rests.get(each.upload_id, 0):
            continue
        rests.pop(each.upload_id, None)
        if fault := unpack.unpack(each):
            rests[each.upload_id] = time.monotonic() + (TRY_AGAIN_AFTER if fault in Unpacking.PASSING else math.inf)
