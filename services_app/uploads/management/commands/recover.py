import uuid

from django.core.management.base import BaseCommand

from services_app.config.batch import Batch
from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown
from services_app.uploads import actions
from services_app.uploads.content import manifest
from services_app.uploads.models import Upload
from services_app.uploads.recover import settle, stale_uploads
from services_app.uploads.states import State


class Command(BaseCommand):
    help = (
        "Settle uploads that a crash left behind (committed, waiting for their sender, or aborted), remove the staged bytes "
        "of uploads that have ended, and write manifests that are missing. Safe at any time, also while uploads run. What "
        "fails is named by its id, the rest is done, and the exit code is not 0."
    )

    def handle(self, *args, **options):
        Upload.objects.exists()  # a database that is away from the beginning is told once, by manage.py
        self._batch = Batch(self.stderr)
        counts = {State.COMMITTED: 0, State.WAITING: 0, State.ABORTED: 0}
        with self._batch.item("uploads"):
            for upload in stale_uploads():
                with self._batch.item("upload", upload.id):
                    state = settle(upload, patiently=True)
                    if state is not None:
                        counts[state] += 1
        leftovers = self._remove_leftovers()
        manifests = self._write_missing_manifests()
        self.stdout.write(
            f"committed {counts[State.COMMITTED]}, waiting {counts[State.WAITING]}, aborted {counts[State.ABORTED]}, "
            f"leftovers removed {leftovers}, manifests written {manifests}"
        )
        self._batch.end()

    def _remove_leftovers(self) -> int:
        """Staged bytes whose upload has ended. What no upload is known of is left for a person to judge."""
        removed = 0
        with self._batch.item("staging"):
            for name in current_store().staged_names():
                upload_id = _id_in(name)
                if upload_id is None:
                    continue
                with self._batch.item("upload", upload_id):
                    ended = (State.COMMITTED, State.ABORTED, State.DELETED)
                    if Upload.objects.filter(id=upload_id, state__in=ended).exists():
                        current_store().discard_name(name)
                        removed += 1
        return removed

    def _write_missing_manifests(self) -> int:
        written = 0
        with self._batch.item("manifests"):
            # Ids first: no cursor stays open over what each of them may meet.
            for upload_id in list(Upload.objects.filter(state=State.COMMITTED).values_list("id", flat=True)):
                with self._batch.item("upload", upload_id):
                    written += self._write_manifest(Upload.objects.select_related("grant").get(id=upload_id))
        return written

    def _write_manifest(self, upload: Upload) -> bool:
        store, name = current_store(), actions.object_name(upload)
        try:
            store.metadata(name)
            return False
        except ObjectUnknown:
            if not store.exists(name):
                return False
        if not manifest.write(upload):
            self._batch.fail("upload", upload.id, "its manifest cannot be written")
            return False
        return True


def _id_in(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name.partition(".")[0])
    except ValueError:
        return None
