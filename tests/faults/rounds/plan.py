"""What is sent in one round, and how far each sender has come when the fault strikes: all of it from a seed."""

import dataclasses
import random

SENDERS = 6  # in one round, at the same time
PROTOCOLS = ("tus", "ietf", "put")

# Most are tiny: these are created, appended to and committed in a few milliseconds, so a fault meets one of these moments. The largest
# are more than `recover` carries away while somebody waits.
_SIZES = (*(1, 2, 3, 5, 17, 64, 200, 1000, 4096), *(5000, 70_000, 300_000), *(1 << 20, 9 << 20))
_HOW_OFTEN = (*(9,) * 9, *(8,) * 3, *(6, 1))


@dataclasses.dataclass(frozen=True)
class Sending:
    """One file. `ends` are the offsets at which a request ends, the last one being its size; with `at_once` the first request creates
    the upload too. At offset `hold` the sender waits until the fault has struck, with whatever request it is in; None: it never waits.
    At each offset in `cuts` it closes its connection, once. One that `starts_over` sends a PUT again from its first byte.
    """

    protocol: str
    content: bytes
    ends: tuple[int, ...]
    at_once: bool
    hold: int | None
    cuts: tuple[int, ...]
    starts_over: bool

    @property
    def size(self) -> int:
        return len(self.content)


def sendings(
    rng: random.Random, *, count: int = SENDERS, resumable: bool = False, between: bool = False, cuts: bool = False
) -> list[Sending]:
    """`resumable`: all begin with an upload whose id is known, and hold behind that. `between`: they hold between two requests alone.
    `cuts`: they close their connections on the way.
    """
    return [_sending(rng, resumable, between, cuts) for _ in range(count)]


def _inside(rng: random.Random, ends: tuple[int, ...]) -> tuple[int, ...]:
    """Offsets within a request; half of them in one behind an acknowledged offset, where there is more than one request."""
    size = ends[-1]
    behind = (rng.randrange(ends[0], size), rng.randrange(ends[-2], size)) if len(ends) > 1 else ()
    return (rng.randrange(size), size - 1, *behind)


def _sending(rng: random.Random, resumable: bool, between: bool, cuts: bool) -> Sending:
    size = rng.choices(_SIZES, _HOW_OFTEN)[0]
    content = b"sluice"[:size] + rng.randbytes(max(0, size - 6))  # nothing that could be taken for a known type
    protocol = rng.choice(PROTOCOLS[:2] if resumable else PROTOCOLS)
    ends = (size,) if protocol == "put" else tuple(sorted({*(rng.randint(1, size) for _ in range(rng.randint(0, 3))), size}))
    hold = None
    if resumable or rng.random() < 0.7:
        hold = rng.choice((0, *ends[:-1], *(() if between else _inside(rng, ends))))
    return Sending(
        protocol,
        content,
        ends,
        at_once=not resumable and rng.random() < 0.5,
        hold=hold,
        cuts=tuple(sorted(rng.sample(range(size), min(size, rng.randint(1, 3))))) if cuts else (),
        starts_over=rng.random() < 0.3,
    )
