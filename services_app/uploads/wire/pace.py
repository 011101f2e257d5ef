"""How long may a sender keep us waiting? A policy of numbers: no socket, no clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass

from services_app.uploads.errors import TooSlow

_HURRY = 10  # while places are scarce, the time for which a sender may be behind is so many times shorter


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a sender may be. Seconds and bytes a second; a `min_rate` of 0 switches the minimum off. `scarce_rate` counts while
    others may be waiting for a place.
    """

    idle_timeout: float
    min_rate: int
    window: float
    deadline: float
    scarce_rate: int = 0
    is_scarce: Callable[[], bool] = lambda: False


class Allowance:
    """The minimum rate is there for a sender that drips, a byte now and then, and holds a place for a day. It is not there for a
    pipe that is silent while a database or a compressor works and then brings a lot: how long one silence may last is what
    `idle_timeout` says.

    So a sender begins with `window` seconds of waiting. Each second that we wait takes one away, each `min_rate` bytes bring one
    back, up to `window` and never more: what was fast once does not pay for dripping later.

    A bad line that drips at its best is let alone while there are places. While they are scarce, more is asked, and sooner.
    """

    def __init__(self, pace: Pace):
        self._pace = pace
        self._left = float(pace.window)

    def spend(self, waited: float, received: int) -> None:
        """After `waited` seconds `received` bytes came. Raises TooSlow."""
        rate, window = self._pace.min_rate, self._pace.window
        if not rate:
            return
        if self._pace.is_scarce():
            rate, window = max(rate, self._pace.scarce_rate), window / _HURRY
        self._left = min(window, self._left - waited + received / rate)
        if self._left < 0:
            raise TooSlow
