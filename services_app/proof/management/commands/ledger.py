"""The ledger: a checkpoint of it, going on after a restore, an export for an auditor."""

import uuid
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from services_app.proof import checkpoints, continuations, export, place, statements
from services_app.proof.holding import Holding
from services_app.store.errors import StoreError
from services_app.uploads.receipts import reader


class Command(BaseCommand):
    help = "Sign where the ledger stands, go on after a restore, export entries for an auditor."

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("checkpoint", help="sign where it stands now and put that onto the NAS; recover does so too")
        going_on = actions.add_parser(
            "continue",
            help="after an older database was restored: enter that what was signed since is of a branch that is gone. Without --yes it "
            "only says what would be entered",
        )
        going_on.add_argument("--yes", action="store_true", help="do it")
        going_on.add_argument(
            "--also", action="append", default=[], metavar="SEQ:HASH", help="of a receipt that only the web tier has (verify_receipts)"
        )
        going_on.add_argument("--keys", type=Path, metavar="FILE", help="public keys too, as exported: those that were retired are there")
        exported = actions.add_parser("export", help="print entries, of all or of what is asked for; ids, numbers and codes alone")
        exported.add_argument("--upload", type=uuid.UUID, metavar="ID")
        exported.add_argument("--person", metavar="SUB", help="the uploader id that tokens and receipts name")
        exported.add_argument("--collection", metavar="SLUG")
        exported.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DATE", help="a day, in UTC")
        exported.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DATE", help="a day, in UTC, and included")
        exported.add_argument("--csv", action="store_true", help="else a line of JSON for each")

    def handle(self, *args, action, **options):
        try:
            {"checkpoint": self._checkpoint, "continue": self._continue, "export": self._export}[action](**options)
        except StoreError as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Nothing was changed.") from exc

    def _checkpoint(self, **options):
        try:
            seq = checkpoints.write(place.store())
        except checkpoints.Contradicted as exc:
            raise CommandError("The ledger contradicts its newest checkpoint; nothing was signed. Run verify_ledger.") from exc
        self.stdout.write("the ledger is empty" if seq is None else f"checkpoint at entry {seq}")

    def _continue(self, *, yes, also, keys, **options):
        keys, holding = reader(keys), Holding()
        store = place.store()
        for each in (statements.of_checkpoints(store, keys), statements.of_rows(keys), statements.of_manifests(store, keys)):
            holding.take(each)
        known = sorted({(one.seq, one.head) for one in holding.contradicting(keys)} | {_pair(text) for text in also})
        if not known:
            self.stdout.write("Nothing contradicts the ledger; nothing was entered.")
        elif not yes:
            self.stdout.write(f"{len(known)} statements contradict the ledger, of entries {known[0][0]} to {known[-1][0]}.")
            raise CommandError("Nothing was entered. Is an older database back, and nothing else the cause? Then: ledger continue --yes")
        else:
            entries = continuations.declare(known)
            checkpoints.write(store)
            self.stdout.write(f"{len(known)} statements are known now, by entry {', '.join(str(entry.seq) for entry in entries)}")

    def _export(self, *, upload, person, collection, first, last, csv, **options):
        found = export.entries(export.Asked(upload, person, collection, first, last))
        for line in export.as_csv(found) if csv else export.as_json_lines(found):
            self.stdout.write(line)


def _pair(text: str) -> tuple[int, str]:
    seq, _, head = text.partition(":")
    if not (seq.isascii() and seq.isdecimal() and len(seq) < 19) or not statements.HASH.fullmatch(head):
        raise CommandError("--also takes SEQ:HASH, as verify_receipts prints it. Nothing was entered.")
    return int(seq), head
