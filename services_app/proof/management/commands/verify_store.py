import time
from collections import Counter
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Subquery
from django.utils import timezone

from services_app.ledger import record
from services_app.proof import expected, gently, look
from services_app.proof.findings import Report, conclude
from services_app.proof.models import Look
from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.uploads.models import Upload
from services_app.uploads.receipts import reader
from services_app.uploads.states import State

_TELL_EVERY = 10  # seconds
_MIB = 1 << 20


class Command(BaseCommand):
    help = (
        "Read every stored file again and compare it with its receipt, that which was not looked at longest first; find changed, missing, "
        "half and foreign files and changed manifests, and of unpacked folders each file. Changes nothing on the NAS. Safe beside running "
        "uploads. Exit status: 0 well, 2 not, 1 where it did not come to its end; run again, it goes on with what is left."
    )

    def add_arguments(self, parser):
        parser.add_argument("--rate", type=float, default=50, metavar="MIB", help="MiB a second at most (50); 0 for no bound")
        parser.add_argument("--at-most", type=int, metavar="N", help="only so many files, those not looked at longest")
        parser.add_argument("--sample", type=int, metavar="N", help="only so many files, drawn by lot")
        parser.add_argument("--minutes", type=float, metavar="M", help="begin no further file after so many minutes")
        parser.add_argument("--keys", type=Path, metavar="FILE", help="public keys too, as exported: those that were retired are there")
        parser.add_argument("--json", action="store_true", help="the report for programs")

    def run_from_argv(self, argv):
        gently.step_back()  # a process of its own, as from a timer
        super().run_from_argv(argv)

    def handle(self, *args, rate, at_most, sample, minutes, keys, **options):
        if any(given is not None and given < least for given, least in ((rate, 0), (at_most, 1), (sample, 1), (minutes, 0))):
            raise CommandError("--rate and --minutes take a number from 0, --at-most and --sample from 1.")
        is_whole = at_most is None and sample is None
        ends = None if minutes is None else time.monotonic() + 60 * minutes
        pace, report = gently.Pace(rate * _MIB), Report()
        try:
            looked = self._look(_chosen(at_most, sample), pace, ends, report, keys)
            if is_whole and (ends is None or time.monotonic() < ends):
                look.tell_strangers(current_store(), report)
        except StoreError as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. What was looked at is remembered.") from exc
        forget_what_is_gone()
        stored = Upload.objects.filter(state=State.COMMITTED).count()
        report.told = {
            "looked_at": looked,
            "stored": stored,
            "bytes": pace.spent,
            "oldest_look": _oldest_look(),
            "found": dict(Counter(one.what for one in report.findings)),
        }
        if looked:
            _note(report.told)
        said = f"looked at {looked} of {stored} stored files, {pace.spent / _MIB:.1f} MiB; found {len(report.findings)}"
        conclude(self, report, [said], as_json=options["json"])

    def _look(self, chosen: list, pace: gently.Pace, ends: float | None, report: Report, keys: Path | None) -> int:
        store, told_at = current_store(), time.monotonic()
        measure = expected.Measure(store, reader(keys))
        for number, upload_id in enumerate(chosen):
            if ends is not None and time.monotonic() >= ends:
                return number
            if time.monotonic() - told_at > _TELL_EVERY:
                told_at = time.monotonic()
                self.stderr.write(f"{number} of {len(chosen)}, {pace.spent / _MIB:.0f} MiB")
            found = look.look_at(store, upload_id, measure, pace)
            for code, more in found.items():
                report.add(code, upload_id, f"upload {upload_id}" + (f" ({more})" if more else ""))
            Look.objects.update_or_create(upload_id=upload_id, defaults={"at": timezone.now(), "found": " ".join(found)})
        return len(chosen)


def _chosen(at_most: int | None, sample: int | None) -> list:
    """Ids of stored files, in the order in which they are looked at."""
    last = Look.objects.filter(upload_id=OuterRef("id")).values("at")[:1]
    stored = Upload.objects.filter(state=State.COMMITTED).annotate(looked=Subquery(last))
    order = ("?",) if sample is not None else (F("looked").asc(nulls_first=True), "id")
    return list(stored.order_by(*order).values_list("id", flat=True)[: sample if sample is not None else at_most])


def _note(told: dict) -> None:
    """One entry for the whole run: how much was looked at, and what was found."""
    facts = {name: told[name] for name in ("looked_at", "bytes", "found")}
    with transaction.atomic():
        of_none = {"upload_id": record.OF_NO_UPLOAD, "grant_id": record.OF_NO_UPLOAD}
        record.append(record.VERIFIED, **of_none, at=timezone.now(), facts=facts)


def forget_what_is_gone() -> None:
    stored = Upload.objects.filter(id=OuterRef("upload_id"), state=State.COMMITTED)
    Look.objects.filter(~Exists(stored)).delete()


def _oldest_look() -> str | None:
    """When the file was looked at that was not looked at longest; None where one never was."""
    looks = Look.objects.order_by("at").values_list("at", flat=True)
    stored = Upload.objects.filter(state=State.COMMITTED).count()
    return looks[0].isoformat(timespec="seconds") if 0 < stored == looks.count() else None
