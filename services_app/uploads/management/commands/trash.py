import uuid
from datetime import timedelta

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from services_app.store.errors import ObjectExists, ObjectUnknown, StoreError
from services_app.uploads import removal
from services_app.uploads.models import Upload
from services_app.uploads.states import State


class Command(BaseCommand):
    help = (
        "List what was deleted and is not gone yet, with the day on which `recover` removes it for good (TRASH_DAYS); or bring a file "
        "back: it is stored again as it was, with its receipt, and the ledger says so."
    )

    def add_arguments(self, parser):
        parser.add_argument("--restore", type=uuid.UUID, metavar="ID", help="of the upload")

    def handle(self, *args, restore, **options):
        try:
            self._list() if restore is None else self._restore(restore)
        except StoreError as exc:
            raise CommandError(f"The store is not usable now: {type(exc).__name__}. Nothing was changed.") from exc

    def _list(self) -> None:
        count = 0
        for upload_id, deleted_at in removal.in_trash():
            upload, count = Upload.objects.select_related("grant").filter(id=upload_id).first(), count + 1
            what = f"{upload.size} bytes of {upload.grant.collection}" if upload else "unknown to this database"
            goes = "stays: no entry says that it was deleted"
            if deleted_at is not None:
                goes = f"until {deleted_at + timedelta(days=settings.TRASH_DAYS):%Y-%m-%d}"
            self.stdout.write(f"{upload_id}  {what}  {goes}")
        self.stdout.write(f"in the trash: {count}")

    def _restore(self, upload_id: uuid.UUID) -> None:
        upload = Upload.objects.select_related("grant").filter(id=upload_id, state__in=(State.DELETED, State.COMMITTED)).first()
        if upload is None:
            raise CommandError("This database knows no stored or deleted file of that id.")
        try:
            removal.bring_back(upload)
        except ObjectUnknown as exc:
            raise CommandError("It is not in the trash any more.") from exc
        except ObjectExists as exc:
            raise CommandError("Something else lies in its place. Move that away, and run this again.") from exc
        self.stdout.write(f"stored again: {upload_id}")
