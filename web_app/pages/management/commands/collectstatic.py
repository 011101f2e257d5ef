"""Django's, which lays out what browsers fetch, and beside it the pages' translations: neither is made while a page is asked for."""

from django.conf import settings
from django.contrib.staticfiles.management.commands import collectstatic

from web_app.config.catalogs import compile_into


class Command(collectstatic.Command):
    def handle(self, **options):
        if not options["dry_run"]:
            for folder in settings.LOCALE_PATHS:
                compile_into(folder)
        return super().handle(**options)
