"""Make a collection, here and on the services tier, or add members to one that is there."""

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from web_app.accounts.models import User
from web_app.audit.models import Action
from web_app.audit.record import COMMAND, record
from web_app.collections.models import Collection, Membership
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.errors import StorageError

# Option → field of the collection.
_OPTIONS = {
    "title": "title",
    "max_size": "max_size",
    "media_type": "media_types",
    "start_within": "start_within",
    "valid_for": "valid_for",
    "max_uploads": "max_uploads",
    "grants_open": "grants_open",
    "unfinished": "unfinished",
    "staged": "staged",
    "unpack_folders": "unpack_folders",
}


class Command(BaseCommand):
    help = (
        "Make the collection SLUG, and let members upload to it and coordinators see what arrives. One that is there gets these "
        "people; its title and limits are changed in the admin alone."
    )

    def add_arguments(self, parser):
        parser.add_argument("slug")
        parser.add_argument("--title", help="a new collection needs one")
        parser.add_argument("--member", action="append", default=[], metavar="USER", help="may upload; again for more")
        parser.add_argument(
            "--coordinator", action="append", default=[], metavar="USER", help="sees what arrives, and does not upload; again for more"
        )
        parser.add_argument("--max-size", type=int, metavar="BYTES", help="of one file (default: 1 TiB)")
        parser.add_argument(
            "--media-type", action="append", default=[], metavar="TYPE", help="allowed type; again for more"
        )
        parser.add_argument("--start-within", type=int, metavar="SECONDS", help="default: 900")
        parser.add_argument("--valid-for", type=int, metavar="SECONDS", help="default: 86400")
        parser.add_argument(
            "--max-uploads", type=int, metavar="N", help="files that one permission allows (default: 1)"
        )
        for name, unit, what in (
            ("grants-open", "N", "open permissions"),
            ("unfinished", "N", "unfinished uploads"),
            ("staged", "BYTES", "bytes in unfinished uploads"),
        ):
            parser.add_argument(f"--{name}", type=int, metavar=unit, help=f"{what} that one person may have there (default: no bound)")
        parser.add_argument(
            "--unpack-folders",
            action="store_true",
            default=None,
            help="put the files of a folder beside its archive on the NAS (default: the archive alone)",
        )
        parser.add_argument(
            "--without-folder", action="store_true", help="its folder was made by init_store on the services tier"
        )

    def handle(self, *args, slug, without_folder, **options):
        self.stdout.write(self._make(slug, **options))
        if without_folder:
            return
        try:
            RemoteStorageDriver().add_collection(slug)
        except StorageError as exc:
            raise CommandError(
                f"The services tier did not make the folder ({exc.code}); until it has one, uploads are refused. Run this again "
                "when it answers, or init_store --collection there."
            ) from exc

    @transaction.atomic
    def _make(self, slug: str, *, member, coordinator, **options) -> str:
        roles = {"may_upload": _people(member, "--member"), "coordinates": _people(coordinator, "--coordinator")}
        collection = Collection.objects.filter(slug=slug).first()
        is_new = collection is None
        given = {name: options[name] for name in _OPTIONS if options[name] not in (None, [])}
        if collection is None:
            collection = Collection(slug=slug, **{_OPTIONS[name]: value for name, value in given.items()})
            try:
                collection.full_clean()
            except ValidationError as exc:
                raise CommandError(
                    "; ".join(f"{field}: {' '.join(said)}" for field, said in exc.message_dict.items())
                ) from exc
            collection.save()
            record(COMMAND, Action.ADDED, "collection", slug)
        elif others := [name for name, value in given.items() if value != getattr(collection, _OPTIONS[name])]:
            said = ", ".join(f"--{name.replace('_', '-')}" for name in others)
            raise CommandError(
                f"{slug} is there already, with another {said}. Nothing was changed. Change it in the admin, or leave that out to add "
                "members alone."
            )
        added = sum(_give(role, user, collection) for role, users in roles.items() for user in users)
        return f"{'made' if is_new else 'there already'}: {slug}; members added: {added}"


def _people(names: list[str], option: str) -> list[User]:
    users = list(User.objects.filter(username__in=names, is_active=True))
    if len(users) != len(set(names)):
        raise CommandError(
            f"Not every {option} is an active user. Make them first: manage.py createsuperuser, or in the admin."
        )
    return users


def _give(role: str, user: User, collection: Collection) -> bool:
    """Whether that is new; whatever else they are to the collection stays."""
    membership = Membership.objects.filter(user=user, collection=collection).first()
    if membership is not None and getattr(membership, role):
        return False
    action = Action.CHANGED if membership else Action.ADDED
    membership = membership or Membership(user=user, collection=collection, may_upload=False)
    setattr(membership, role, True)
    membership.save()
    subject = f"{collection.slug}/{user.uploader_id}"[:64]
    record(COMMAND, action, "membership", subject, [role] if action == Action.CHANGED else None, person=user)
    return True
