"""What a file would be taken for, and by which lists it would be taken."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from services_app.uploads.content import media


class Command(BaseCommand):
    help = (
        "Say what each FILE would be taken for, and what a collection's list may name in order to take it. Stores nothing; "
        "web_app's `manage.py media_types NAME …` then says which collections do."
    )
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument(
            "--allowed",
            metavar="LIST",
            help="a list such as application/zip,text/csv: is the file taken? Ends with 1 if one is not",
        )

    def handle(self, *args, files, allowed, **options):
        wanted = tuple(name.strip().lower() for name in allowed.split(",")) if allowed else ()
        if odd := sorted(set(wanted) - media.known()):
            raise CommandError(f"No file is ever taken for: {', '.join(odd)}")
        refused = 0
        for path in files:
            try:
                with path.open("rb") as file:
                    media_type = media.detect(file.read(media.SNIFF_BYTES))
            except OSError as exc:
                raise CommandError(f"{path}: cannot be read ({exc.strerror})") from exc
            self.stdout.write(f"{path}: {media_type}")
            if wanted:
                taken = media.is_allowed(media_type, wanted)
                refused += not taken
                self.stdout.write(f"  {'taken' if taken else 'not taken'} by this list")
            else:
                narrow_first = sorted(
                    media.named_by(media_type), key=lambda name: (name != media_type, name.endswith("*"), name)
                )
                self.stdout.write(f"  taken by an empty list, or one that names any of: {' '.join(narrow_first)}")
        if refused:
            raise CommandError(f"not taken: {refused}")
