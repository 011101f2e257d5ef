"""Seal under the newest line of SECRET_KEY what is sealed under an older one, so that the older one can go."""

from django.core.management.base import BaseCommand, CommandError

from web_app.accounts.factors import sealing
from web_app.accounts.models import Totp


class Command(BaseCommand):
    help = (
        "Seal the secrets of people's authenticator apps anew, under the newest line of SECRET_KEY. Once it says that all are, the older "
        "lines are needed for none of them. Run it as often as you like, also while people sign in."
    )

    def handle(self, *args, **options):
        done = lost = 0
        for kept in Totp.objects.select_related("person").iterator():
            whose = kept.person.uploader_id
            try:
                fresh = sealing.seal(sealing.opened(kept.sealed, whose), whose)
            except sealing.NotOpened:
                lost += 1
                continue
            # Whoever sets up another app at this moment has sealed it under the newest line.
            done += Totp.objects.filter(pk=kept.pk, sealed=kept.sealed).update(sealed=fresh)
        self.stdout.write(f"Sealed anew: {done}.")
        if lost:
            raise CommandError(
                f"{lost} open under no line of SECRET_KEY. Put the line back under which they were sealed, or take these people's "
                "factors away (take_factors_away): no code of theirs is right."
            )
