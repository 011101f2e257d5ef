"""Tie this database to another store, on purpose."""

import uuid

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, transaction

from services_app.store import folders, prepare, staged
from services_app.store.errors import StoreError
from services_app.store.models import StoreIdentity
from services_app.store.sentinel import COLLECTIONS
from services_app.uploads import actions, errors
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases
from services_app.uploads.states import RUNNING, State


class Command(BaseCommand):
    help = (
        "Tie this database to the store that is at NAS_ROOT now, when it belonged to another one: after the NAS was replaced, or "
        "a database was taken along. A folder that is no store yet becomes one. Without --leave it only says what would happen."
    )

    def add_arguments(self, parser):
        parser.add_argument("--leave", metavar="STORE_ID", help="do it; the id is that of the store that is left")

    def handle(self, *args, leave, **options):
        known = StoreIdentity.objects.first()
        if known is None:
            raise CommandError("This database belongs to no store yet. Run init_store.")
        _refuse_while_uploads_run()
        try:
            with prepare.opened(settings.NAS_ROOT) as root_fd:
                found = prepare.identity(root_fd)
                if found == known.store_id:
                    self.stdout.write(
                        f"NAS_ROOT is store {found}, to which this database belongs already. Nothing was changed."
                    )
                    return
                missing, lost = self._told_what_it_costs(root_fd, known.store_id, found)
                if leave != str(known.store_id):
                    raise CommandError(f"Nothing was changed. To do this: move_store --leave {known.store_id}")
                store_id = _move(root_fd, found, missing, lost)
        except prepare.Unfit as exc:
            raise CommandError(str(exc)) from exc
        except Error as exc:
            raise CommandError(
                f"The database cannot be written now: {type(exc).__name__}. Nothing was changed."
            ) from exc
        except (OSError, StoreError) as exc:
            raise CommandError(
                f"NAS_ROOT is not usable now: {prepare.explained(exc, 'open')} Nothing was changed."
            ) from exc
        self.stdout.write(
            f"This database belongs to store {store_id} now. Restart both listeners, make the collections with init_store "
            "--collection where they are missing, and run recover."
        )

    def _told_what_it_costs(
        self, root_fd: int, known: uuid.UUID, found: uuid.UUID | None
    ) -> tuple[list[Upload], list[Upload]]:
        """Print it; return the stored files that are not here, and the unfinished uploads whose bytes are not."""
        uploads = Upload.objects.select_related("grant")
        lost = [upload for upload in uploads.filter(state__in=(State.WAITING, *RUNNING)) if _is_lost(root_fd, upload)]
        stored = uploads.filter(state=State.COMMITTED)
        missing = [upload for upload in stored.iterator() if not _is_stored(root_fd, upload)]
        self.stdout.write(
            f"This database belongs to store {known}; at NAS_ROOT is {found or 'a folder that is no store yet'}."
        )
        self.stdout.write(f"Stored files that are not there: {len(missing)} of {stored.count()}. Their receipts stay.")
        self.stdout.write(f"Unfinished uploads whose bytes are not there, and that end now: {len(lost)}.")
        for upload in (*missing, *lost):
            self.stdout.write(f"    {upload.id} {upload.state}")
        return missing, lost


def _refuse_while_uploads_run() -> None:
    running = [upload for upload in Upload.objects.filter(state__in=RUNNING) if not leases.is_abandoned(upload)]
    if running:
        raise CommandError(
            f"{len(running)} uploads are running: {', '.join(str(upload.id) for upload in running)}. Stop the uploads listener, "
            "wait until they have ended, and run this again. Nothing was changed."
        )


def _is_lost(root_fd: int, upload: Upload) -> bool:
    if upload.state == State.COMMITTING and _is_stored(root_fd, upload):
        return False
    if upload.offset == 0:
        return False
    size = staged.size_of(root_fd, str(upload.id))
    return size is None or size < upload.offset


def _is_stored(root_fd: int, upload: Upload) -> bool:
    return folders.is_filled(root_fd, "/".join((COLLECTIONS, *actions.directory_of(upload))))


def _move(root_fd: int, found: uuid.UUID | None, missing: list[Upload], lost: list[Upload]) -> uuid.UUID:
    store_id = found or uuid.uuid4()
    with prepare.tried(root_fd, prepare.traits(root_fd) if found else None) as traits, transaction.atomic():
        StoreIdentity.objects.update(store_id=store_id)
        for upload in lost:
            actions.abort(upload, errors.UploadGone.code)
        if found is None:
            prepare.mark(root_fd, store_id, traits)
        prepare.knows_staging(root_fd, store_id, learn=True)
        # What is missing is so on purpose: a month that were not there would be called away, and take nothing more.
        for collection, year, month in sorted({actions.directory_of(upload)[:3] for upload in missing}):
            for parent, name in (
                (COLLECTIONS, collection),
                (f"{COLLECTIONS}/{collection}", year),
                (f"{COLLECTIONS}/{collection}/{year}", month),
            ):
                folders.make(root_fd, parent, name)
    return store_id
