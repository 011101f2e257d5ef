"""Prepare NAS_ROOT once: folders, sentinel, collections."""

import uuid

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, transaction

from services_app.store import prepare
from services_app.store.errors import StoreError
from services_app.store.exclusive import Traits
from services_app.store.models import StoreIdentity
from services_app.store.nas import LocalFileSystemStorage
from services_app.tokens.claims import SLUG


class Command(BaseCommand):
    help = (
        "Try whether NAS_ROOT can be a store, write the sentinel into it and make its folders. Run it once, while the NAS is "
        "mounted; run it again with --collection to add a collection. A store that exists already is adopted, never overwritten."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--collection", action="append", default=[], metavar="SLUG", help="make this collection too"
        )
        parser.add_argument(
            "--staging-is-new",
            action="store_true",
            help="the folder `staging` was replaced on purpose (as by a restore): what is not in it is lost",
        )

        parser.add_argument(
            "--choose-anew",
            action="store_true",
            help="try again how this store gives a file its name, and go on by what works: after it was mounted otherwise, or where it "
            "makes no links (any more)",
        )

    def handle(self, *args, collection, staging_is_new, choose_anew, **options):
        root = settings.NAS_ROOT
        if not all(map(SLUG.fullmatch, collection)):
            raise CommandError(
                "A collection's slug is 1 to 63 of a-z, 0-9 and -, not beginning with -. Nothing was done."
            )
        try:
            with prepare.opened(root) as root_fd:
                store_id, made = self._identify(root_fd, staging_is_new, choose_anew)
            store = LocalFileSystemStorage(root, store_id)
            failed = self._add(store, collection) | self._check(store, collection)
        except prepare.Unfit as exc:
            raise CommandError(str(exc)) from exc
        except StoreError as exc:
            raise CommandError(f"The store is not usable: {prepare.explained(exc, 'open')}") from exc
        except Error as exc:
            raise CommandError(
                f"The database cannot be written now: {type(exc).__name__}. Is it there, whole and free, and has manage.py migrate "
                "been run? Run this again then."
            ) from exc
        added = len(set(collection) - failed.keys())
        self.stdout.write(f"store {store_id} {'made' if made else 'adopted'}; collections added: {added}")
        if failed:
            raise CommandError("\n".join(failed.values()))

    def _identify(self, root_fd: int, staging_is_new: bool, choose_anew: bool) -> tuple[uuid.UUID, bool]:
        known, found = StoreIdentity.objects.first(), prepare.identity(root_fd)
        if known and found != known.store_id:
            raise CommandError(
                "This database belongs to another store than the one at NAS_ROOT. Is the NAS mounted? Nothing was changed. "
                "To change the store on purpose: move_store."
            )
        its = prepare.traits(root_fd) if found else None
        if found and choose_anew:
            prepare.check_at_rest(root_fd)
        # The mark comes last, and the row only with it: what is not fit to be a store is left as it was.
        with prepare.tried(root_fd, None if choose_anew else its) as traits, transaction.atomic():
            store_id = found or uuid.uuid4()
            StoreIdentity.objects.get_or_create(id=1, defaults={"store_id": store_id})
            if found is None:
                prepare.mark(root_fd, store_id, traits)
            elif traits != its:
                prepare.learn(root_fd, store_id, traits)
            if traits != its:
                self.stdout.write(_told(traits))
            if not prepare.knows_staging(root_fd, store_id, learn=staging_is_new):
                self.stderr.write(
                    "The folder `staging` is another one than it was. Unfinished uploads whose bytes are not in it wait (503). Put the "
                    "old one back; where there is none any more, run this again with --staging-is-new."
                )
        return store_id, found is None

    def _add(self, store: LocalFileSystemStorage, collections: list[str]) -> dict[str, str]:
        """Each by itself; returns those that could not be made, with what to say."""
        failed = {}
        for slug in collections:
            try:
                store.add_collection(slug)
            except StoreError as exc:
                failed[slug] = f"The collection {slug} cannot be made: {prepare.explained(exc, 'mkdir, fsync')}"
        return failed

    def _check(self, store: LocalFileSystemStorage, collections: list[str]) -> dict[str, str]:
        """Those that were asked for and take nothing, with what to say; of others it is only said."""
        failed = {}
        for slug, error in store.health().failing.items():
            said = f"The collection {slug} is there, but takes nothing: {prepare.explained(error, 'open')}"
            if slug in collections:
                failed[slug] = said
            else:
                self.stderr.write(said)
        return failed


def _told(traits: Traits) -> str:
    """What a store was found to be."""
    one = [what for what, is_so in (("case", traits.folds_case), ("Unicode form", traits.normalises)) if is_so]
    return f"A file gets its name by: {traits.way}." + (f" Names that differ only in {' or '.join(one)} are one." if one else "")
