from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from services_app.ledger import guard, record
from services_app.ledger.models import Entry
from services_app.ledger.verify import broken_entries
from services_app.proof import entries, place, statements
from services_app.proof.findings import Report, conclude
from services_app.proof.holding import Holding
from services_app.store.errors import StoreError
from services_app.uploads.receipts import reader


class Command(BaseCommand):
    help = (
        "Check the hash chain of the ledger from its first entry to its head, and hold it against all that was signed about it: the "
        "checkpoints on the NAS, and the receipts in manifests and in this database. Every entry that does not hold is named, and every "
        "statement that contradicts. Exit status: 0 well, 2 not, 1 where it could not be looked at."
    )

    def add_arguments(self, parser):
        parser.add_argument("--quick", action="store_true", help="leave the manifests out: one file of each stored object is read")
        parser.add_argument("--keys", type=Path, metavar="FILE", help="public keys too, as exported: those that were retired are there")
        parser.add_argument(
            "--unsigned-until", type=int, default=0, metavar="SEQ", help="entries `deleted` up to this one are older than their signatures"
        )
        parser.add_argument("--json", action="store_true", help="the same for programs")

    def handle(self, *args, quick, keys, **options):
        keys, holding, report, broken = reader(keys), Holding(), Report(), list(broken_entries())
        holding.take(statements.of_rows(keys))
        try:
            store = place.store()
            holding.take(statements.of_checkpoints(store, keys))
            if not quick:
                holding.take(statements.of_manifests(store, keys))
            unread = ""
        except StoreError:
            unread = "The store is not there, so the ledger was not held against what it keeps. Mount the NAS and run this again."
        for seq in broken:
            report.add("broken", seq, f"entry {seq} is changed, missing or out of order")
        if not guard.is_up():
            report.add("unguarded", "database", "it does not refuse to change entries any more: its triggers are gone")
        holding.tell(report, keys)
        entries.tell_lost(report)
        entries.tell_unsigned_removals(report, keys, holding, options["unsigned_until"])
        head = Entry.objects.values("seq", "hash").last()
        continued = list(Entry.objects.filter(event=record.CONTINUED).values_list("seq", flat=True))
        report.told = {
            "entries": head["seq"] if head else 0,
            "head": head["hash"] if head else None,
            "vouched": holding.vouched,
            "held_against": dict(holding.counts),
            "continued": continued,
        }
        conclude(self, report, _lines(report.told), as_json=options["json"], otherwise=_summary(report, broken, unread))
        if unread:
            raise CommandError(unread)


def _lines(told: dict) -> list[str]:
    lines = [f"{told['entries']} entries hold; head {told['head']}" if told["entries"] else "the ledger is empty"]
    if told["held_against"]:
        counts = ", ".join(f"{count} of {kind}s" for kind, count in sorted(told["held_against"].items()))
        lines.append(f"held against what was signed: {counts}; vouched for up to entry {told['vouched']}")
    if told["continued"]:
        lines.append(f"continued after a restore, which somebody said at {_entries(told['continued'])}")
    return lines


def _summary(report: Report, broken: list[int], unread: str) -> str:
    said = [f"The ledger is broken at {_entries(broken)}."] if broken else []
    if any(one.what == "unguarded" for one in report.findings):
        said.append("The database does not refuse to change entries.")
    if lost := [one for one in report.findings if one.what == "row_missing"]:
        said.append(f"{len(lost)} uploads that were stored and never removed are not in the database.")
    if unsigned := [one for one in report.findings if one.what == "unsigned"]:
        said.append(f"{len(unsigned)} entries say that something was removed, and nobody signed that.")
    if signed := [one for one in report.findings if one.what not in ("broken", "unguarded", "row_missing", "unsigned")]:
        said.append(f"{len(signed)} contradictions with what was signed, as named above.")
    return " ".join([*said, unread]).strip()


def _entries(seqs: list[int]) -> str:
    shown = ", ".join(map(str, seqs[:20]))
    return f"{'entry' if len(seqs) == 1 else 'entries'} {shown}" + (f" and {len(seqs) - 20} more" if len(seqs) > 20 else "")
