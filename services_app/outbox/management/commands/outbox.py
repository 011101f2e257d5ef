import contextlib
import logging
import signal
import uuid

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, close_old_connections, connection

from services_app.config.faults import in_words
from services_app.outbox import turns
from services_app.outbox.models import OPEN, Delivery, State
from services_app.outbox.worker import Worker
from services_app.store.errors import StoreError
from services_app.uploads import verdicts
from services_app.uploads.models import Upload
from services_app.uploads.states import Standing
from services_app.uploads.states import State as UploadState

log = logging.getLogger("sluice.outbox")
_DAY = 86400


class Command(BaseCommand):
    help = (
        "Hand stored files on to the hooks of HOOKS_FILE: all that is due now, or with --every all the time, as a service beside the "
        "listeners. What failed is tried again later, and given up in the end; --retry has it tried again. What "
        "required hooks say becomes a file's verdict, which --release and --quarantine give by hand. Several may run."
    )

    def add_arguments(self, parser):
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--every", type=int, metavar="SECONDS", help="go on, and look for what is new so often at least")
        what.add_argument(
            "--list", action="store_true", help="tell what is not handed on, how often it was tried, and how that ended"
        )
        what.add_argument("--retry", type=uuid.UUID, metavar="ID", help="have what was given up for this upload tried again")
        what.add_argument(
            "--release", type=uuid.UUID, metavar="ID", help="release this file, whatever was found or not looked at"
        )
        what.add_argument("--quarantine", type=uuid.UUID, metavar="ID", help="quarantine this file")

    def handle(self, *args, every, retry, **options):
        if options["list"]:
            self._list()
        elif options["release"] is not None:
            self._give(options["release"], Standing.RELEASED)
        elif options["quarantine"] is not None:
            self._give(options["quarantine"], Standing.QUARANTINED)
        elif retry is not None:
            self._retry(retry)
        elif every is not None and not 1 <= every <= _DAY:
            raise CommandError("--every takes a number of seconds, from 1 to 86400 (a day).")
        else:
            self._work(every)

    def _list(self) -> None:
        found = Delivery.objects.filter(state__in=(*OPEN, State.FAILED)).order_by("hook", "seq")
        for one in found.iterator():
            self.stdout.write(f"{one.hook}  {one.upload_id}  {one.state}  {one.attempts}  {one.said}".rstrip())
        kept = Upload.objects.filter(verdict=Standing.QUARANTINED, state=UploadState.COMMITTED).order_by("id")
        for upload_id in kept.values_list("id", flat=True):
            self.stdout.write(f"quarantined  {upload_id}")
        self.stdout.write(f"not handed on: {found.count()}, quarantined: {kept.count()}")

    def _give(self, upload_id: uuid.UUID, verdict: Standing) -> None:
        upload = Upload.objects.select_related("grant").filter(id=upload_id, state=UploadState.COMMITTED).first()
        if upload is None:
            raise CommandError("This database knows no stored file of that id.")
        turns.decided(upload_id, verdict)  # first: a worker that looks meanwhile comes to the same
        try:
            verdicts.give(upload, verdict, by=[verdicts.OPERATOR])
        except StoreError as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Say it again.") from exc
        self.stdout.write(f"{verdict}: {upload_id}")

    def _retry(self, upload_id: uuid.UUID) -> None:
        if not (count := turns.try_again(upload_id)):
            raise CommandError("Nothing was given up for an upload of that id.")
        self.stdout.write(f"tried again: {count}")

    def _work(self, every: int | None) -> None:
        worker = Worker()
        before = {number: signal.signal(number, lambda *_: worker.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            while True:
                more = self._step(worker, every)
                if every is None and not more and not worker.is_busy:
                    break
                if not worker.wait(0 if more else (every or _DAY)):
                    break
        finally:
            with contextlib.suppress(Error):  # their leases end by themselves
                worker.break_off()
            for number, handler in before.items():
                signal.signal(number, handler)
        self.stdout.write(" ".join(f"{state}={count}" for state, count in sorted(worker.counts.items())) or "nothing was due")

    def _step(self, worker: Worker, every: int | None) -> bool:
        try:
            return worker.step()
        except Exception as exc:  # whatever it was: the next round may go well
            if every is None:
                raise
            log.error("round failed", extra={"reason": in_words(exc) or type(exc).__name__}, exc_info=not isinstance(exc, Error))
            if not connection.in_atomic_block:
                close_old_connections()
            return False
