"""For who lost telephone and recovery codes: the password alone lets them in again."""

from django.core.management.base import BaseCommand, CommandError

from web_app.accounts.factors import actions
from web_app.accounts.models import User
from web_app.audit.record import COMMAND


class Command(BaseCommand):
    help = (
        "Take every second factor of USER away, recovery codes too, and sign them out everywhere. From then on the password alone lets "
        "them in, or leads to setting up another factor where SECOND_FACTOR demands one. Be sure first that it is they who ask."
    )

    def add_arguments(self, parser):
        parser.add_argument("user")

    def handle(self, *args, user, **options):
        person = User.objects.filter(username=user).first()
        if person is None:
            raise CommandError("There is no user of that name.")
        taken = actions.take_all_away(person, who=COMMAND)
        self.stdout.write(f"{person.username}: {', '.join(taken) if taken else 'had no second factor'}. Signed out everywhere.")
