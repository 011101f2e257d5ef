"""What is counted as it happens. Labels come from closed sets: never a name, a path, a token, an id or a person (invariant 6).

Who owns such a set names all of it once as it is loaded: what begins at 0 shows its first increase.
"""

import contextlib
import time
from collections.abc import Iterator

from django.db import transaction

from .shared import REGISTRY, Counter, Histogram

_LONG = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200)  # seconds
_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)  # seconds

received_bytes = Counter("sluice_received_bytes", "Bytes of bodies, as they come in.", ["protocol"], registry=REGISTRY)
append_seconds = Histogram(
    "sluice_append_seconds",
    "From the first look at a body until its bytes are durable and promised, however it ended.",
    ["protocol"],
    buckets=_LONG,
    registry=REGISTRY,
)
commit_seconds = Histogram(
    "sluice_commit_seconds", "From durable bytes to the receipt: publish, ledger, manifest.", buckets=_SHORT, registry=REGISTRY
)
tail_seconds = Histogram(
    "sluice_tail_seconds",
    "What the sender of a whole file waits for: from its last byte until the answer can go out.",
    buckets=_SHORT,
    registry=REGISTRY,
)
refusals = Counter("sluice_refusals", "Requests refused, at the door or later, by the code of the problem.", ["code"], registry=REGISTRY)
takeovers = Counter("sluice_takeovers", "Running requests that a newer one of the same upload took over from.", registry=REGISTRY)
ended = Counter("sluice_uploads_ended", "Entries of the ledger, by their event.", ["event"], registry=REGISTRY)


@contextlib.contextmanager
def timed(histogram) -> Iterator[None]:
    """Also what fails: a store that stalls shows in its failures first."""
    began = time.monotonic()
    try:
        yield
    finally:
        histogram.observe(time.monotonic() - began)


def entry_written(event: str) -> None:
    """Once the caller's transaction holds."""
    transaction.on_commit(lambda: ended.labels(event).inc(), robust=True)
