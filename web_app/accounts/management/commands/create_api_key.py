"""Make an API key and print it, once."""

import datetime

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from web_app.accounts import api_keys
from web_app.accounts.models import LONGEST_DAYS, ApiKey, May, User
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection


class Command(BaseCommand):
    help = "Make an API key for USER and print it on standard output. It cannot be shown again."

    def add_arguments(self, parser):
        parser.add_argument("user")
        parser.add_argument("--label", default="", help="what the key is for")
        parser.add_argument(
            "--collection", action="append", default=[], metavar="SLUG", help="only for this one; again for more"
        )
        parser.add_argument("--may", choices=May.values, default=May.ALL.value, help="all, only send, or only see what was sent")
        parser.add_argument("--days", type=int, default=365, help="valid for so many days (default: %(default)s)")

    def handle(self, *args, user, label, days, collection, may, **options):
        owner = User.objects.filter(username=user, is_active=True).first()
        if owner is None:
            raise CommandError(
                "There is no active user of that name. Make one: manage.py createsuperuser, or in the admin."
            )
        if len(label) > ApiKey.label.field.max_length:
            raise CommandError(f"--label takes at most {ApiKey.label.field.max_length} characters.")
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days must be between 1 and {LONGEST_DAYS}.")
        scope = list(Collection.objects.filter(slug__in=collection))
        if len(scope) != len(set(collection)):
            raise CommandError("Not every --collection is one that is there. Make it first: manage.py create_collection.")
        expires_at = timezone.now() + datetime.timedelta(days=days)
        _, text = api_keys.create(owner, label=label, expires_at=expires_at, collections=scope, may=May(may), who=COMMAND)
        self.stdout.write(text)
