"""Send somebody a link for their first password, or print it once."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from web_app.accounts import links, own_passwords, post
from web_app.accounts.models import User
from web_app.audit.models import Action
from web_app.audit.record import COMMAND, record


class Command(BaseCommand):
    help = (
        "Send USER, who has no password yet, a link by which they set their first one; it is good once, for seven days. Without "
        "EMAIL_URL, or with --print, the link is printed, once: hand it on by a way that nobody else reads. USER is made if there is none."
    )

    def add_arguments(self, parser):
        parser.add_argument("user")
        parser.add_argument("--email", help="the address of a person who is made now")
        parser.add_argument("--print", action="store_true", dest="printed", help="print the link instead of sending it")

    def handle(self, *args, user, email, printed, **options):
        by_mail = settings.MAIL_IS_SET and not printed
        try:
            with transaction.atomic():
                person = User.objects.filter(username=user).first() or _made(user, email)
                if email and person.email != email:
                    raise CommandError(f"{person} has another address. Change it in the admin.")
                own_passwords.invite(person, who=COMMAND, by_mail=by_mail)
        except own_passwords.NotInvited as exc:
            raise CommandError(str(exc)) from exc
        if not by_mail:
            self.stdout.write(links.link_for(person, links.INVITED))
            return
        try:
            post.send(person, links.INVITED)
        except post.NotSent as exc:
            raise CommandError(f"The mail server did not take it ({exc}). Look at EMAIL_URL and try again, or use --print.") from exc
        self.stdout.write(f"{person} was sent a link.")


def _made(username: str, email: str | None) -> User:
    person = User(username=username, email=email or "")
    person.set_unusable_password()
    try:
        person.full_clean()
    except ValidationError as exc:
        raise CommandError("; ".join(exc.messages)) from exc
    person.save()
    record(COMMAND, Action.ADDED, "user", person.uploader_id, person=person)
    return person
