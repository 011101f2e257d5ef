"""Refusals that tell of somebody who tries what they may not: counted, and told in one log line a minute for each kind and person.

Not in a line for each request, with which whoever is refused could fill the disk. How often in all: `sluice_refusals_total{code}`.
"""

import logging
import threading
from collections import Counter

log = logging.getLogger("sluice.security")

EVERY = 60.0  # seconds between the first of some and the lines that tell of them
MOST = 50  # pairs of kind and person that are told apart; what comes beyond is told of nobody

# Of the token, made up or meant for another; of another one's upload (which looks like none); of the certificate or the internal key.
# A token that is missing, early or late is everyday's.
KINDS = frozenset(
    {
        "token_malformed", "token_type", "token_key_unknown", "token_signature", "token_claims", "token_issuer", "token_audience",
        "token_binding", "upload_not_yours", "upload_unknown", "peer_forbidden",
    }
)  # fmt: skip

_lock = threading.Lock()
_counts: Counter[tuple[str, str]] = Counter()
_teller: threading.Timer | None = None


def note(code: str, person: str) -> None:
    """One refusal more. `person`: the `sub` of a token that is genuine, else empty. Codes that are not of KINDS are left out."""
    global _teller
    if code not in KINDS:
        return
    with _lock:
        told_apart = (code, person) in _counts or len(_counts) < MOST
        _counts[code, person if told_apart else ""] += 1
        if _teller is None or not _teller.is_alive():
            _teller = threading.Timer(EVERY, tell)
            _teller.daemon = True
            _teller.start()


def tell() -> None:
    """Write the lines now, and begin anew."""
    with _lock:
        counts = dict(_counts)
        _counts.clear()
    for (code, person), count in counts.items():
        log.warning("refused", extra={"code": code, "count": count} | ({"person": person} if person else {}))
