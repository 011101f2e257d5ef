"""How much may be stored, by collection and by person: set it, or see what is set and what is left of it."""

from functools import reduce
from operator import or_

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Q

from web_app.accounts.models import User
from web_app.audit.models import Action
from web_app.audit.record import COMMAND, record
from web_app.collections.amounts import SIZES, in_units, of_count, of_size
from web_app.collections.models import Collection
from web_app.storage.driver import RemoteStorageDriver
from web_app.storage.errors import StorageError
from web_app.storage.internal_api import prompt_api

# Option → field, and how it is read.
_OF_BOTH = {"bytes": ("quota_bytes", of_size), "files": ("quota_objects", of_count)}
_OF_COLLECTIONS = _OF_BOTH | {"each_bytes": ("quota_bytes_each", of_size), "each_files": ("quota_objects_each", of_count)}


class Command(BaseCommand):
    help = (
        "Show every quota with what is used of it now, or set those of one collection or person: the most that may be stored and under "
        'way. It holds for tokens that are made from then on; what is stored stays. Amounts are read as in the admin: "2 TiB", '
        '"500 GiB" (a number alone is GiB), "10,000"; none takes a quota away.'
    )

    def add_arguments(self, parser):
        whose = parser.add_mutually_exclusive_group()
        whose.add_argument("--collection", metavar="SLUG")
        whose.add_argument("--person", metavar="USER", help="in all collections together")
        parser.add_argument("--bytes", metavar="SIZE", help="of all files together")
        parser.add_argument("--files", metavar="N", help="how many")
        parser.add_argument("--each-bytes", metavar="SIZE", help="of a collection: the same of each person there")
        parser.add_argument("--each-files", metavar="N", help="likewise, in files")

    def handle(self, *args, collection, person, **options):
        given = {name: options[name] for name in _OF_COLLECTIONS if options[name] is not None}
        if collection is None and person is None:
            if given:
                raise CommandError("Say whose quota it is: --collection SLUG or --person USER.")
            self._show(Collection.objects.filter(_any(_OF_COLLECTIONS)), User.objects.filter(_any(_OF_BOTH)))
            return
        rows = Collection.objects.filter(slug=collection) if person is None else User.objects.filter(username=person)
        row = rows.first()
        if row is None:
            raise CommandError("There is no such collection." if person is None else "There is no such user.")
        if given:
            _set(row, given)
        self._show(*([row], []) if person is None else ([], [row]))

    def _show(self, collections, people) -> None:
        for row in collections:
            self._tell(row.slug, row.quota_bytes, row.quota_objects, _used(("collection", row.slug), None, [row.slug]))
            self._tell(f"{row.slug}, each person", row.quota_bytes_each, row.quota_objects_each, None)
        for row in people:
            self._tell(row.username, row.quota_bytes, row.quota_objects, _used(("person", None), row.uploader_id))

    def _tell(self, whose: str, size: int | None, files: int | None, used: dict | None) -> None:
        told = []
        if size is not None:
            told.append((f"{in_units(used['bytes'], SIZES)} of " if used else "") + in_units(size, SIZES))
        if files is not None:
            told.append((f"{used['objects']:,} of " if used else "") + f"{files:,} files")
        if told:
            self.stdout.write(f"{whose}: {', '.join(told)}")


def _any(options: dict) -> Q:
    return reduce(or_, (Q(**{f"{field}__isnull": False}) for field, _ in options.values()))


@transaction.atomic
def _set(row: Collection | User, given: dict[str, str]) -> None:
    options = _OF_COLLECTIONS if isinstance(row, Collection) else _OF_BOTH
    if others := [name for name in given if name not in options]:
        raise CommandError(f"--{others[0].replace('_', '-')} is of a collection.")
    changed = []
    for name, text in given.items():
        field, form = options[name]
        try:
            value = None if text.strip().lower() == "none" else form(row._meta.get_field(field)).clean(text)
        except ValidationError as exc:
            raise CommandError(f"--{name.replace('_', '-')}: {' '.join(exc.messages)} Nothing was changed.") from exc
        if value != getattr(row, field):
            setattr(row, field, value)
            changed.append(field)
    if changed:
        row.save(update_fields=changed)
        if isinstance(row, Collection):
            record(COMMAND, Action.CHANGED, "collection", row.slug, changed)
        else:
            record(COMMAND, Action.CHANGED, "user", row.uploader_id, changed, person=row)


def _used(scope: tuple[str, str | None], person: str | None, collections: list[str] | None = None) -> dict[str, int] | None:
    """None where the services tier cannot be asked."""
    try:
        return RemoteStorageDriver(prompt_api()).used(person, collections or []).get(scope)
    except StorageError:
        return None
