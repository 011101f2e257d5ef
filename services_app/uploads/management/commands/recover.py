from django.core.management.base import BaseCommand, CommandError

from services_app.store.current import current_store
from services_app.store.errors import ObjectUnknown, StoreError
from services_app.uploads import actions, errors, manifest
from services_app.uploads.models import Upload
from services_app.uploads.recover import settle, stale_uploads
from services_app.uploads.states import State


class Command(BaseCommand):
    help = (
        "Bring uploads that a crash left behind to their end (committed or aborted), and write manifests that are "
        "missing. Safe at any time, also while uploads run."
    )

    def handle(self, *args, **options):
        counts = {State.COMMITTED: 0, State.ABORTED: 0}
        try:
            for upload in stale_uploads():
                state = settle(upload)
                if state is not None:
                    counts[state] += 1
            manifests = self._write_missing_manifests()
        except (errors.Problem, StoreError) as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Nothing is lost.") from exc
        self.stdout.write(
            f"committed {counts[State.COMMITTED]}, aborted {counts[State.ABORTED]}, manifests written {manifests}"
        )

    def _write_missing_manifests(self) -> int:
        store, written = current_store(), 0
        for upload in Upload.objects.select_related("grant").filter(state=State.COMMITTED).iterator():
            name = actions.object_name(upload)
            try:
                store.metadata(name)
            except ObjectUnknown:
                written += store.exists(name) and manifest.write(upload)
        return written
