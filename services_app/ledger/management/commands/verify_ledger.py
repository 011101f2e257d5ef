from django.core.management.base import BaseCommand, CommandError

from services_app.ledger.models import Entry
from services_app.ledger.verify import broken_entries


class Command(BaseCommand):
    help = "Check the hash chain of the ledger from its first entry to its head. Every entry that does not hold is named."

    def handle(self, *args, **options):
        broken = list(broken_entries())
        if broken:
            raise CommandError(f"The ledger is broken at {'entry' if len(broken) == 1 else 'entries'} {_listed(broken)}.")
        head = Entry.objects.values("seq", "hash").last()
        self.stdout.write(f"{head['seq']} entries hold; head {head['hash']}" if head else "the ledger is empty")


def _listed(seqs: list[int]) -> str:
    shown = ", ".join(map(str, seqs[:20]))
    return shown if len(seqs) <= 20 else f"{shown} and {len(seqs) - 20} more"
