"""What is looked at when Prometheus asks: the same that `manage.py status` shows. Of what cannot be told there is no sample."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric

_PARTS = ("database", "store", "space", "inodes", "collections")


class Found:
    """A collector of one report."""

    def __init__(self, report: dict):
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report
        health = {part: float(part not in report["failing"]) for part in _PARTS}
        yield _gauge("sluice_healthy", "1 where this part of /readyz is well, else 0.", health, "part")
        yield _gauge("sluice_store_free_bytes", "Free for this user.", report["store"]["free_bytes"])
        yield _gauge("sluice_store_free_inodes", "Absent where the file system counts none.", report["store"]["free_inodes"])
        yield _gauge("sluice_store_reserve_bytes", "UPLOAD_SPACE_RESERVE.", report["store"]["reserve_bytes"])
        yield _gauge("sluice_database_seconds", "What one small question to the database took.", report["database"]["seconds"])
        uploads = report["uploads"]
        yield _gauge("sluice_uploads", "Uploads that have not ended, by state.", uploads["states"], "state")
        yield _gauge("sluice_leases", "Uploads that a living request holds now, on every host.", uploads["held"])
        yield _gauge("sluice_leases_limit", "UPLOAD_MAX_CONCURRENT.", uploads["limit"])
        yield _gauge("sluice_abandoned_uploads", "Uploads that `recover` should settle.", uploads["abandoned"])
        yield _gauge("sluice_unfinished_bytes", "Promised bytes of uploads that have not ended.", uploads["unfinished_bytes"])
        yield _gauge("sluice_oldest_unfinished_seconds", "How long ago the oldest of them began.", uploads["oldest_seconds"])
        yield _gauge("sluice_ledger_head", "Number of the newest entry.", report["ledger"]["head"])
        wrong = report["stored"]["not_what_they_were"]
        yield _gauge("sluice_stored_not_what_they_were", "Stored files that verify_store found changed, missing or not alone.", wrong)
        quarantined = report["stored"]["quarantined"]
        yield _gauge("sluice_quarantined", "Stored files in which something was found.", quarantined)
        hooks = {one["hook"]: one for one in report["hooks"]}
        waits = {name: max(one["oldest_seconds"], one["unseen_seconds"]) for name, one in hooks.items()}
        given_up = {name: one["failed"] for name, one in hooks.items()}
        yield _gauge("sluice_hook_open", "Stored files to hand on.", {name: one["open"] for name, one in hooks.items()}, "hook")
        yield _gauge("sluice_hook_oldest_seconds", "How long ago the oldest of them was stored.", waits, "hook")
        yield _gauge("sluice_hook_failed", "Stored files for which it was given up.", given_up, "hook")
        ends = {one["certificate"]: _time(one.get("ends")) for one in report["certificates"]}
        yield _gauge("sluice_certificate_end_timestamp_seconds", "When a certificate ends.", ends, "certificate")
        made = {one["use"]: _time(one.get("made")) for one in report["keys"] if one.get("signs")}
        yield _gauge("sluice_key_made_timestamp_seconds", "When the key that signs now was made.", made, "use")


def _gauge(name: str, text: str, value: float | dict | None, label: str = "") -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label] if label else None)
    for key, number in value.items() if isinstance(value, dict) else [(None, value)]:
        if number is not None:
            family.add_metric([key] if label else [], number)
    return family


def _time(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
