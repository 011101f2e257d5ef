"""Hold every receipt and checkpoint against the services tier's ledger."""

import json
from dataclasses import asdict

from django.core.management.base import BaseCommand, CommandError

from web_app.proof.held import Held
from web_app.storage.errors import StorageError
from web_app.storage.internal_api import internal_api


class Command(BaseCommand):
    help = (
        "Verify every receipt that is kept here, and ask the services tier whether its ledger still has the entry that each names; the "
        "same of checkpoints that it told before. Each that it has not, or that differs, is named. Where all is well a checkpoint is "
        "kept. Exit status: 0 well, 2 not, 1 where there was no answer."
    )

    def add_arguments(self, parser):
        parser.add_argument("--json", action="store_true", help="the same for programs")

    def handle(self, *args, **options):
        try:
            held = Held(internal_api())
            if not (found := list(held.contradictions())):
                held.keep_checkpoint()
        except StorageError as exc:
            raise CommandError(
                f"The services tier gave no answer ({exc.code}). Check SERVICES_URL, the certificates and INTERNAL_API_KEY."
            ) from exc
        counts = {"receipts": held.receipts, "checkpoints": held.checkpoints, "of_a_branch_that_is_gone": held.known}
        if options["json"]:
            self.stdout.write(json.dumps({**counts, "findings": [asdict(one) for one in found]}, indent=1))
        else:
            self.stdout.write(" ".join(f"{name}={count}" for name, count in counts.items()))
            for one in found:
                self.stderr.write(f"{one.what}: {one.of}: {one.said}")
        if found:
            raise CommandError(f"{len(found)} contradictions, as named above: run verify_ledger on the services tier.", returncode=2)
