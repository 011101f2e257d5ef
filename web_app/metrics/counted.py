"""What is counted as it happens. Labels come from closed sets: never a name, a path, a token, an id or a person (invariant 6).

Who owns such a set names all of it once as it is loaded: what begins at 0 shows its first increase.
"""

from django.db import transaction

from web_app.metrics.shared import REGISTRY, Counter, Gauge

events = Counter(
    "sluice_web_events", "Audit events: sign-ins, grants issued, uploads stored, …", ["action"], registry=REGISTRY
)
security_events = Counter(
    "sluice_web_security_events", "Refusals that tell of somebody who tries what they may not, by kind.", ["kind"], registry=REGISTRY
)
receipts = Counter("sluice_web_receipts", "Receipts looked at: verified, or why not.", ["outcome"], registry=REGISTRY)
refusals = Counter("sluice_web_refusals", "Requests refused, by the code of the problem.", ["code"], registry=REGISTRY)
reconciled = Counter("sluice_web_reconciled", "Grants that `reconcile` asked about, by what came of it.", ["outcome"], registry=REGISTRY)
mails = Counter("sluice_web_mails", "Links by mail: sent, or failed.", ["outcome"], registry=REGISTRY)
for known in ("sent", "failed"):
    mails.labels(known)
RECONCILE_ROUND = "sluice_web_reconcile_round_timestamp_seconds"
reconcile_round = Gauge(
    RECONCILE_ROUND, "When a round of `reconcile --every` last came to its end.", multiprocess_mode="mostrecent", registry=REGISTRY
)


def event_recorded(action: str) -> None:
    """Once the caller's transaction holds."""
    transaction.on_commit(lambda: events.labels(action).inc(), robust=True)
