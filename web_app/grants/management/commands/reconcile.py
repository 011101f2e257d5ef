"""Ask the services tier about grants whose receipt never came."""

import contextlib
import logging
import time

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from web_app.config.outage import is_of_the_database
from web_app.grants import revoking
from web_app.grants.reconcile import reconcile
from web_app.metrics import counted
from web_app.storage.errors import StorageError
from web_app.storage.internal_api import internal_api

logger = logging.getLogger(__name__)
_DAY = 86400


class Command(BaseCommand):
    help = "Ask the services tier about grants whose receipt never came; mark them complete or expired. Prints counts."

    def add_arguments(self, parser):
        how_often = parser.add_mutually_exclusive_group()
        how_often.add_argument("--once", action="store_true", help="one round, the default")
        how_often.add_argument("--every", type=int, metavar="SECONDS", help="go on, with a pause between rounds")

    def handle(self, *args, every, **options):
        if every is None:
            self._round()
            return
        if not 1 <= every <= _DAY:
            raise CommandError("--every takes a number of seconds, from 1 to 86400 (a day).")
        while True:
            close_old_connections()
            try:
                self._round()
            except CommandError as exc:
                self._say(str(exc))
            except Exception as exc:  # a lock, a full disk, whatever it was: the next round may go well
                logger.error("round_failed", exc_info=True)
                self._say(f"This round failed: {type(exc).__name__}. The next one comes in {every} s.")
            time.sleep(every)

    def _say(self, text: str) -> None:
        with contextlib.suppress(OSError):  # of a full disk, behind a pipe
            self.stderr.write(text)

    def _round(self) -> None:
        try:
            counts, causes = reconcile(internal_api())
        except StorageError as exc:
            raise CommandError(
                f"The services tier gave no answer ({exc.code}). "
                "Check SERVICES_URL, the certificates and INTERNAL_API_KEY.",
                returncode=1,
            ) from exc
        except Exception as exc:
            if not is_of_the_database(exc):
                raise
            raise CommandError(
                "The database cannot be used now. Is it there, whole and free, and has manage.py migrate been run? Nothing is lost.",
                returncode=1,
            ) from exc
        for outcome, count in counts.items():
            counted.reconciled.labels(outcome).inc(count)
        counted.reconcile_round.set_to_current_time()
        self.stdout.write(" ".join(f"{name}={count}" for name, count in counts.items()))
        for grant_id, why in causes.items():
            self._say(f"grant {grant_id}: {why}")
        if untold := revoking.untold().count():
            raise CommandError(
                f"The services tier has not heard of {untold} revocations. They are said again with the next round.",
                returncode=1,
            )
        if causes:
            raise CommandError(f"{len(causes)} of {counts['asked']} grants could not be settled.", returncode=1)
