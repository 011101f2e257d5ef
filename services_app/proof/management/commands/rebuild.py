from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from services_app.proof import adopt, gently, look
from services_app.proof.findings import Report, conclude
from services_app.store import walk
from services_app.store.current import current_store
from services_app.store.errors import StoreError, StoreUnavailable
from services_app.uploads.receipts import reader

_MIB = 1 << 20


class Command(BaseCommand):
    help = (
        "Enter what lies on the NAS and is unknown to this database: after it was lost (then init_store comes first), or an older one was "
        "restored. From manifests whose receipts this tier signed, and only where the bytes agree; tokens that brought them are spent. "
        "The rest is named. Safe beside running uploads; run again, it goes on. Exit status: 0 well, 2 something needs a person, 1 it did "
        "not come to its end. Then: ledger continue."
    )

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="enter nothing, and say what would be")
        parser.add_argument("--rate", type=float, default=0, metavar="MIB", help="MiB a second at most; no bound by default")
        parser.add_argument("--keys", type=Path, metavar="FILE", help="public keys too, as exported: those that were retired are there")
        parser.add_argument("--json", action="store_true", help="the report for programs")

    def handle(self, *args, dry_run, rate, keys, **options):
        known, pace, report, entered = reader(keys), gently.Pace(rate * _MIB), Report(), 0
        try:
            store = current_store()
            for folder in look.strangers(store):
                try:
                    adopt.adopt(store, folder, known, pace, dry_run=dry_run)
                    entered += 1
                except adopt.Refused as exc:
                    report.add(str(exc), folder.upload_id, f"{folder.upload_id} in {folder.directory[0]}")
                except StoreUnavailable:
                    walk.check_there(store)
                    report.add("unreadable", folder.upload_id, f"{folder.upload_id} in {folder.directory[0]}")
        except StoreError as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Run this again, it goes on.") from exc
        report.told = {"entered": entered, "dry_run": dry_run}
        verb = "would enter" if dry_run else "entered"
        conclude(self, report, [f"{verb} {entered} stored files; left {len(report.findings)}"], as_json=options["json"])
