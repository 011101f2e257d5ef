"""Which types a collection may name, and which collections take a file of some type."""

from django.core.management.base import BaseCommand, CommandError

from web_app.collections import media_types
from web_app.collections.models import Collection


class Command(BaseCommand):
    help = (
        "List the types that a collection may name. With names, as services_app's `manage.py detect_type FILE` prints them: "
        "list the collections that take such a file."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "names", nargs="*", metavar="NAME", help="type/subtype or type/*; a list that holds one takes the file"
        )

    def handle(self, *args, names, **options):
        if names:
            self._say_who_takes({name.lower() for name in names})
            return
        for each in media_types.KNOWN:
            self.stdout.write(f"{each.words:36} {', '.join((each.name, *each.aliases))}")
        for collection in Collection.objects.all():
            if odd := [name for name in collection.media_types if name not in media_types.names()]:
                self.stdout.write(f"! {collection.slug} names what no file is taken for: {', '.join(odd)}")

    def _say_who_takes(self, names: set[str]) -> None:
        if odd := sorted(names - media_types.names()):
            near = [meant for name in odd for meant in media_types.nearest(name)]
            raise CommandError(f"No such type: {', '.join(odd)}." + (f" Near it: {', '.join(near)}." if near else ""))
        taking = [
            one for one in Collection.objects.filter(active=True) if not one.media_types or names & set(one.media_types)
        ]
        for collection in taking:
            self.stdout.write(f"{collection.slug}: {', '.join(collection.media_types) or 'any type of file'}")
        if not taking:
            self.stdout.write("no collection takes it")
