from django.core.management.base import BaseCommand, CommandError

from services_app.config.batch import Batch
from services_app.store.current import current_store
from services_app.store.errors import StoreError
from services_app.uploads.models import Upload
from services_app.uploads.states import State


class Command(BaseCommand):
    help = (
        "List what stands in the store's collections and is no stored file for this database: after an older database was restored, "
        "what came in since. Changes nothing; each has its manifest and receipt beside it."
    )

    def handle(self, *args, **options):
        store, unknown, batch = current_store(), 0, Batch(self.stderr)
        try:
            slugs = store.collections()
        except StoreError as exc:
            raise CommandError(f"The store is not usable: {type(exc).__name__}.") from exc
        for slug in slugs:
            with batch.item("collection", slug):
                for upload_id in store.list(slug):
                    if not Upload.objects.filter(id=upload_id, state=State.COMMITTED).exists():
                        unknown += 1
                        self.stdout.write(f"{upload_id} in {slug}")
        self.stdout.write(f"unknown {unknown}")
        batch.end()
