import uuid
from collections.abc import Iterable

from django.core.management.base import BaseCommand

from services_app.config.batch import Batch
from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.proof import checkpoints
from services_app.revocations import heard
from services_app.store.current import current_store
from services_app.store.errors import FolderAway, ObjectUnknown
from services_app.uploads import actions, removal, revoke, unpack
from services_app.uploads.content import ends, manifest
from services_app.uploads.models import Progress, Upload
from services_app.uploads.prune import prune
from services_app.uploads.recover import settle, stale_uploads
from services_app.uploads.states import State


class Command(BaseCommand):
    help = (
        "Settle uploads that a crash left behind (committed, waiting for their sender, or aborted), remove the staged bytes "
        "of uploads that have ended, end those whose permission was taken back, write manifests that are missing, forget names and "
        "rows of what ended long ago, remove what was long enough in the trash, put a checkpoint of the ledger onto the NAS, unpack "
        "folders that wait for it. Safe at any time, also while uploads run. What fails is named by its id, the rest is done, and the "
        "exit code is not 0."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--all-manifests",
            action="store_true",
            help="look at the manifest of every stored file, and not only of those stored since the last time: after the NAS or a "
            "database was restored",
        )

    def handle(self, *args, all_manifests, **options):
        Upload.objects.exists()  # a database that is away from the beginning is told once, by manage.py
        self._batch = Batch(self.stderr)
        counts = {State.COMMITTED: 0, State.WAITING: 0, State.ABORTED: 0}
        with self._batch.item("uploads"):
            for upload in stale_uploads():
                with self._batch.item("upload", upload.id):
                    state = settle(upload, patiently=True)
                    if state is not None:
                        counts[state] += 1
        with self._batch.item("revocations"):
            heard.forget_old()
            for grant_id in heard.among(map(str, revoke.of_waiting())):
                with self._batch.item("grant", grant_id):
                    revoke.take_back(uuid.UUID(grant_id))
        leftovers = self._remove_leftovers()
        manifests = self._write_missing_manifests(all_manifests)
        self.stdout.write(
            f"committed {counts[State.COMMITTED]}, waiting {counts[State.WAITING]}, aborted {counts[State.ABORTED]}, "
            f"leftovers removed {leftovers}, manifests written {manifests}"
        )
        with self._batch.item("pruning"):
            if any((pruned := prune()).values()):
                self.stdout.write("pruned: " + ", ".join(f"{what} {count}" for what, count in pruned.items()))
        with self._batch.item("trash"):
            if purged := self._purge_trash():
                self.stdout.write(f"removed from the trash for good: {purged}")
        with self._batch.item("checkpoint"):
            self._write_checkpoint()
        with self._batch.item("folders"):
            if done := self._unpack_folders():
                self.stdout.write(f"folders unpacked: {done}")
        self._batch.end()

    def _unpack_folders(self) -> int:
        """Last, since it may take its time. A running service does so itself; this is for what it left."""
        done = 0
        for each in unpack.due():
            with self._batch.item("upload", each.upload_id):
                if fault := unpack.unpack(each):
                    self._batch.fail("upload", each.upload_id, f"its files cannot be unpacked: {fault}")
                done += fault == ""
        return done

    def _write_checkpoint(self) -> None:
        try:
            checkpoints.write(current_store())
        except checkpoints.Contradicted:
            self._batch.fail("checkpoint", "", "the ledger contradicts its newest one, so nothing was signed: run verify_ledger")

    def _purge_trash(self) -> int:
        purged = 0
        if not Upload.objects.filter(state=State.DELETED).exists():
            return purged
        for upload_id, _deleted_at in list(removal.in_trash()):
            with self._batch.item("upload", upload_id):
                purged += removal.purge(upload_id)
        return purged

    def _remove_leftovers(self) -> int:
        """Staged bytes whose upload has ended, and trees at which nobody is. Bytes of which no upload is known are left for a person to
        judge.
        """
        removed = 0
        with self._batch.item("staging"):
            removed += unpack.sweep()
            for name in current_store().staged_names():
                upload_id = _id_in(name)
                if upload_id is None:
                    continue
                with self._batch.item("upload", upload_id):
                    ended = (State.COMMITTED, State.ABORTED, State.DELETED)
                    if upload := Upload.objects.select_related("grant").filter(id=upload_id, state__in=ended).first():
                        ends.discard(upload)  # its empty folder as well
                        current_store().discard_name(name)
                        removed += 1
        return removed

    def _write_missing_manifests(self, everywhere: bool) -> int:
        """Of what was stored since the last time, or of all; what could not be looked at is looked at again."""
        written = 0
        with self._batch.item("manifests"):
            behind = 0 if everywhere else Progress.objects.filter(id=1).values_list("manifests", flat=True).first() or 0
            head = done = Entry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
            # Numbers first: no cursor stays open over what each of them may meet.
            for seq, upload_id in list(_stored_since(behind)):
                is_done = False
                with self._batch.item("upload", upload_id):
                    its = self._write_manifest(upload_id)
                    written += its is True
                    is_done = its is not None
                if not is_done:
                    done = min(done, seq - 1)
            if not everywhere or done == head:
                Progress.objects.update_or_create(id=1, defaults={"manifests": done})
        return written

    def _write_manifest(self, upload_id: uuid.UUID) -> bool | None:
        """Whether it was written; None where that has to be looked at again."""
        upload = Upload.objects.select_related("grant").filter(id=upload_id, state=State.COMMITTED).first()
        if upload is None:  # deleted; brought back, it has a newer entry
            return False
        store, name = current_store(), actions.object_name(upload)
        try:
            store.metadata(name)
            return False
        except FolderAway:
            return None  # `reconcile_store` tells
        except ObjectUnknown:
            if not store.exists(name):
                return False
        if not manifest.write(upload):
            self._batch.fail("upload", upload.id, "its manifest cannot be written")
            return None
        return True


def _stored_since(seq: int) -> Iterable[tuple[int, uuid.UUID]]:
    """The entries behind that one by which a file is stored that was not before, and its id."""
    stored = Entry.objects.filter(seq__gt=seq, event__in=("committed", record.RESTORED, record.ADOPTED))
    return stored.values_list("seq", "upload_id")


def _id_in(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name.partition(".")[0])
    except ValueError:
        return None
