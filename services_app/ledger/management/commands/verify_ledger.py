from django.core.management.base import BaseCommand, CommandError

from services_app.ledger.models import Entry
from services_app.ledger.verify import first_broken_entry


class Command(BaseCommand):
    help = "Check the hash chain of the ledger from its first entry to its head."

    def handle(self, *args, **options):
        broken = first_broken_entry()
        if broken is not None:
            raise CommandError(f"The ledger is broken at entry {broken}.")
        head = Entry.objects.last()
        self.stdout.write(f"{head.seq} entries hold; head {head.hash}" if head else "the ledger is empty")
