"""Who may do what is costly, of all who ask at this moment? A bulkhead: what is costly never takes the threads that the rest needs.

Of one process, as its threads are: gunicorn.conf.py has more of them than all places here together.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from web_app.config import errors


class Places:
    """`at_once` hold one, `each` of one person; `waiting` more wait for one, `patience` seconds at most. Others are refused at once. Of
    one person one waits, and none while that person holds all. Who came first goes first.
    """

    def __init__(self, at_once: int, *, each: int | None = None, waiting: int = 0, patience: float = 0.0):
        self._at_once, self._each, self._most_waiting, self._patience = at_once, each or at_once, waiting, patience
        self._changed = threading.Condition()
        self._held: Counter = Counter()
        self._line: list[_Waiting] = []

    @contextlib.contextmanager
    def taken(self, person=None) -> Iterator[None]:
        self.take(person)
        try:
            yield
        finally:
            self.give_back(person)

    def take(self, person=None) -> None:
        """Raises TooManyAtOnce where `person` holds their own share, WebBusy where others hold all."""
        with self._changed:
            ahead = [each.person for each in self._line if self._is_free(each.person)]  # who is about to take one
            own = self._held[person] + ahead.count(person)
            is_served = self._held.total() + len(ahead) < self._at_once and own < self._each
            if not is_served and not self._has_waited(person):
                raise errors.TooManyAtOnce if own >= self._each < self._at_once else errors.WebBusy
            self._held[person] += 1

    def give_back(self, person=None) -> None:
        with self._changed:
            self._held[person] -= 1
            self._held += Counter()  # drops what is zero
            self._changed.notify_all()

    def _is_free(self, person) -> bool:
        return self._held.total() < self._at_once and self._held[person] < self._each

    def _has_waited(self, person) -> bool:
        is_greedy = person is not None and (self._held[person] == self._at_once or any(each.person == person for each in self._line))
        if len(self._line) >= self._most_waiting or is_greedy:
            return False
        own = _Waiting(person)
        self._line.append(own)
        try:
            return self._changed.wait_for(lambda: self._is_next(own), self._patience)
        finally:
            self._line.remove(own)
            self._changed.notify_all()  # whoever stood behind may be the next

    def _is_next(self, own: "_Waiting") -> bool:
        return next((each for each in self._line if self._is_free(each.person)), None) is own


class _Waiting:
    def __init__(self, person):
        self.person = person


# Lists and what else reads very many rows, one after the other for each person.
LISTS = Places(2, each=1, waiting=1, patience=3.0)
# What the other tier is asked while somebody waits: where that hangs, lists go on.
ASKED = Places(2, each=1)
# What the other tier is told behind a change (grants/revoking.py).
TELLING = Places(1, waiting=1, patience=3.0)
# As long as its reader is slow, an export goes on.
EXPORTS = Places(2, each=1)
