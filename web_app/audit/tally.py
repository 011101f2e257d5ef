"""Counting in memory what was counted before, so that who is refused a hundred times a second costs everybody else one statement."""

import datetime
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.db import connection

logger = logging.getLogger(__name__)

EVERY = 1.0  # seconds
_AFTER_A_FAULT = 60.0


@dataclass(frozen=True, slots=True)
class Row:
    """What is counted together: refusals of one kind in one hour, by whom as far as that is known."""

    kind: str
    hour: datetime.datetime
    person: str = ""
    api_key: str = ""
    network: str = ""

    @property
    def of_nobody(self) -> "Row":
        return replace(self, person="", api_key="", network="")


class Tally:
    """`write(row, count, at)` counts so many, the last at that time, and answers with the row that took them and whether it is a new one;
    it is asked at once for what this process has not met in this hour, and for all else by `settle`.

    `later(seconds, function)` has something done then, in a thread that the process's end waits for. Raises RuntimeError where there
    is no thread.
    """

    def __init__(self, write: Callable[[Row, int, datetime.datetime], tuple[Row, bool]], later: Callable | None = None):
        self._write, self._later = write, later or _in_a_thread
        self._lock = threading.Lock()
        self._hour: datetime.datetime | None = None
        self._met: set[Row] = set()
        self._counted: dict[Row, tuple[int, datetime.datetime]] = {}
        self._awaited = False

    def add(self, row: Row, at: datetime.datetime) -> bool:
        """Whether it is the first of its kind. Raises what `write` raises."""
        with self._lock:
            if row.hour != self._hour:
                self._hour, self._met = row.hour, set()
            known = next((each for each in (row, row.of_nobody) if each in self._met), None)
            if known is not None:
                self._counted[known] = (self._counted.get(known, (0, at))[0] + 1, at)
                awaited, self._awaited = self._awaited, True
        if known is None:
            taken_by, is_new = self._write(row, 1, at)
            with self._lock:
                self._met.add(taken_by)
            return is_new
        if not awaited:
            self._have_settled(EVERY)
        return False

    def settle(self) -> None:
        """Write what was counted; what cannot be written now is kept for the next time."""
        with self._lock:
            counted, self._counted, self._awaited = self._counted, {}, False
        try:
            while counted:
                row = next(iter(counted))
                self._write(row, *counted[row])
                del counted[row]
        except Exception:
            logger.error("security_events_not_kept", extra={"count": sum(count for count, _ in counted.values())}, exc_info=True)
            with self._lock:
                for row, (count, at) in counted.items():
                    more, last = self._counted.get(row, (0, at))
                    self._counted[row] = (count + more, max(at, last))
                awaited, self._awaited = self._awaited, True
            if not awaited:
                self._have_settled(_AFTER_A_FAULT)

    def _have_settled(self, seconds: float) -> None:
        try:
            self._later(seconds, self.settle)
        except RuntimeError:  # no thread can be begun now: the next one that is counted tries again
            with self._lock:
                self._awaited = False


def _in_a_thread(seconds: float, settle: Callable[[], None]) -> None:
    def run() -> None:
        try:
            settle()
        finally:
            connection.close()

    threading.Timer(seconds, run).start()
