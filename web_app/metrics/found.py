"""What is looked at when the numbers are told: the same that `manage.py status` shows. Of what cannot be told there is no sample."""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric


class Found:
    """A collector of one report."""

    def __init__(self, report: dict):
        self._report = report

    def collect(self) -> Iterator[Metric]:
        report = self._report
        health = {"database": float("database" not in report["failing"])}
        yield _gauge("sluice_web_healthy", "1 where this part of /healthz is well, else 0.", health, "part")
        yield _gauge("sluice_web_database_seconds", "What one small question to the database took.", report["database"]["seconds"])
        yield _gauge("sluice_web_grants", "Grants that are neither complete nor ended.", report["grants"]["open"])
        yield _gauge("sluice_web_oldest_grant_seconds", "How long ago the oldest of them was issued.", report["grants"]["oldest_seconds"])
        ends = {one["certificate"]: _time(one.get("ends")) for one in report["certificates"]}
        yield _gauge("sluice_web_certificate_end_timestamp_seconds", "When a certificate ends.", ends, "certificate")
        made = {one["use"]: _time(one.get("made")) for one in report["keys"] if one.get("signs")}
        yield _gauge("sluice_web_key_made_timestamp_seconds", "When the key that signs now was made.", made, "use")


def _gauge(name: str, text: str, value: float | dict | None, label: str = "") -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label] if label else None)
    for key, number in value.items() if isinstance(value, dict) else [(None, value)]:
        if number is not None:
            family.add_metric([key] if label else [], number)
    return family


def _time(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
