"""Prepare NAS_ROOT once: folders, sentinel, collections."""

import os
import uuid

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from services_app.store import sentinel
from services_app.store.errors import StoreError
from services_app.store.models import StoreIdentity
from services_app.store.nas import LocalFileSystemStorage
from services_app.tokens.claims import SLUG


class Command(BaseCommand):
    help = (
        "Write the sentinel into NAS_ROOT and make its folders. Run it once, while the NAS is mounted; run it again "
        "with --collection to add a collection. A store that exists already is adopted, never overwritten."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--collection", action="append", default=[], metavar="SLUG", help="make this collection too"
        )

    def handle(self, *args, collection, **options):
        root = settings.NAS_ROOT
        if not all(map(SLUG.fullmatch, collection)):
            raise CommandError(
                "A collection's slug is 1 to 63 of a-z, 0-9 and -, not beginning with -. Nothing was done."
            )
        if not root.is_dir():
            raise CommandError("NAS_ROOT is not a folder. Mount the NAS, or make the folder, then run this again.")
        try:
            store_id, made = self._identify(root)
            store = LocalFileSystemStorage(root, store_id)
            self._probe(store)
            for slug in collection:
                store.add_collection(slug)
                if not store.has_collection(slug):
                    raise CommandError("Something that is no folder has the name of a collection. Move it away.")
        except OSError as exc:
            raise CommandError(f"NAS_ROOT cannot be prepared: {exc.strerror}.") from exc
        except StoreError as exc:
            raise CommandError(f"The store is not usable: {type(exc).__name__}.") from exc
        self.stdout.write(f"store {store_id} {'made' if made else 'adopted'}; collections added: {len(collection)}")

    def _identify(self, root) -> tuple[uuid.UUID, bool]:
        known = StoreIdentity.objects.first()
        root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            found = sentinel.read(root_fd)
            if known and found != known.store_id:
                raise CommandError(
                    "This database belongs to another store than the one at NAS_ROOT. Is the NAS mounted? "
                    "Nothing was changed."
                )
            for folder in (sentinel.STAGING, sentinel.COLLECTIONS):
                os.makedirs(root / folder, mode=0o750, exist_ok=True)
            if found is None:
                found = uuid.uuid4()
                sentinel.write(root_fd, found)
                made = True
            else:
                made = False
        finally:
            os.close(root_fd)
        StoreIdentity.objects.get_or_create(id=1, defaults={"store_id": found})
        return found, made

    def _probe(self, store: LocalFileSystemStorage) -> None:
        """A store that cannot link or sync a folder cannot keep the commit protocol: say so now."""
        with store.mounted() as root_fd:
            one, two = (f"{sentinel.STAGING}/.probe-{uuid.uuid4()}" for _ in range(2))
            os.close(os.open(one, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=root_fd))
            try:
                os.link(one, two, src_dir_fd=root_fd, dst_dir_fd=root_fd)
                os.unlink(two, dir_fd=root_fd)
                os.fsync(root_fd)
            except OSError as exc:
                raise CommandError(
                    f"The file system of NAS_ROOT cannot hard-link or sync a folder ({exc.strerror}), which "
                    "Sluice needs to publish without overwriting."
                ) from exc
            finally:
                os.unlink(one, dir_fd=root_fd)
