import contextlib
import uuid

from django.core.management.base import BaseCommand, CommandError

from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown, StoreError
from services_app.uploads import actions, errors, manifest
from services_app.uploads.models import Upload
from services_app.uploads.recover import settle, stale_uploads
from services_app.uploads.states import State


class Command(BaseCommand):
    help = (
        "Settle uploads that a crash left behind (committed, waiting for their sender, or aborted), remove the staged bytes "
        "of uploads that have ended, and write manifests that are missing. Safe at any time, also while uploads run."
    )

    def handle(self, *args, **options):
        counts = {State.COMMITTED: 0, State.WAITING: 0, State.ABORTED: 0}
        try:
            for upload in stale_uploads():
                state = settle(upload)
                if state is not None:
                    counts[state] += 1
            leftovers = self._remove_leftovers()
            manifests = self._write_missing_manifests()
        except (errors.Problem, StoreError) as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Nothing is lost.") from exc
        self.stdout.write(
            f"committed {counts[State.COMMITTED]}, waiting {counts[State.WAITING]}, aborted {counts[State.ABORTED]}, "
            f"leftovers removed {leftovers}, manifests written {manifests}"
        )

    def _remove_leftovers(self) -> int:
        """Staged bytes whose upload has ended. What no upload is known of is left for a person to judge."""
        store, names = current_store(), {}
        for name in store.staged_names():
            with contextlib.suppress(ValueError):
                names[name] = uuid.UUID(name.partition(".")[0])
        ended = Upload.objects.filter(id__in=names.values(), state__in=(State.COMMITTED, State.ABORTED, State.DELETED))
        gone = set(ended.values_list("id", flat=True))
        leftovers = [name for name, upload_id in names.items() if upload_id in gone]
        for name in leftovers:
            store.discard_name(name)
        return len(leftovers)

    def _write_missing_manifests(self) -> int:
        store, written = current_store(), 0
        for upload in Upload.objects.select_related("grant").filter(state=State.COMMITTED).iterator():
            name = actions.object_name(upload)
            try:
                store.metadata(name)
            except ObjectUnknown:
                written += store.exists(name) and manifest.write(upload)
        return written
