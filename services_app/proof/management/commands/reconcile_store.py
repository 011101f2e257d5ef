from collections import Counter
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from services_app.proof.findings import Report, conclude
from services_app.proof.reconcile import reconcile
from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.uploads.receipts import reader


class Command(BaseCommand):
    help = (
        "Hold database, ledger, manifests and NAS against each other; mend what is safe (missing manifests, unfinished ones, files that "
        "can be written) and name the rest. Reads no file's bytes: verify_store does. Safe beside running uploads, and as often as you "
        "like. Exit status: 0 well, 2 something needs a person, 1 it did not come to its end."
    )

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="mend nothing, and say what would be")
        parser.add_argument("--keys", type=Path, metavar="FILE", help="public keys too, as exported: those that were retired are there")
        parser.add_argument("--json", action="store_true", help="the report for programs")

    def handle(self, *args, dry_run, keys, **options):
        report = Report()
        try:
            compared, mended = reconcile(current_store(), reader(keys), report, dry_run=dry_run)
        except StoreError as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Run this again.") from exc
        mended = {code: count for code, count in mended.items() if count}
        found = Counter(one.what for one in report.findings)
        report.told = {"compared": compared, "dry_run": dry_run, "mended": mended, "found": dict(found)}
        verb = "would mend" if dry_run else "mended"
        what = ", ".join(f"{code} {count}" for code, count in mended.items()) or "nothing"
        conclude(self, report, [f"compared {compared} stored files; {verb}: {what}; found {len(report.findings)}"], as_json=options["json"])
