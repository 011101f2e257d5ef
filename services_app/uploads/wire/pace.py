"""How long may a sender keep us waiting? A policy of numbers: no socket, no clock of its own."""

from dataclasses import dataclass

from services_app.uploads.errors import TooSlow


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a sender may be. Seconds and bytes a second; a `min_rate` of 0 switches the minimum off."""

    idle_timeout: float
    min_rate: int
    window: float
    deadline: float


class Allowance:
    """The minimum rate is there for a sender that drips, a byte now and then, and holds a place for a day. It is not there for a
    pipe that is silent while a database or a compressor works and then brings a lot: how long one silence may last is what
    `idle_timeout` says.

    So a sender begins with `window` seconds of waiting. Each second that we wait takes one away, each `min_rate` bytes bring one
    back, up to `window` and never more: what was fast once does not pay for dripping later.
    """

    def __init__(self, pace: Pace):
        self._pace = pace
        self._left = float(pace.window)

    def spend(self, waited: float, received: int) -> None:
        """After `waited` seconds `received` bytes came. Raises TooSlow."""
        if not self._pace.min_rate:
            return
        self._left = min(self._pace.window, self._left - waited + received / self._pace.min_rate)
        if self._left < 0:
            raise TooSlow
