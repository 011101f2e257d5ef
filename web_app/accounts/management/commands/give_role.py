"""Make a person an auditor or an operator of the whole place, or no longer."""

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from web_app.accounts.models import User
from web_app.accounts.roles import ROLES
from web_app.audit.models import Action
from web_app.audit.record import COMMAND, record


class Command(BaseCommand):
    help = (
        "Give USER a role in the whole place: an auditor reads the audit, grants, stored uploads and checkpoints in the admin; an operator "
        "also changes people, keys, collections and memberships. Roles in one collection: create_collection --member, --coordinator."
    )

    def add_arguments(self, parser):
        parser.add_argument("user")
        parser.add_argument("role", choices=sorted(ROLES))
        parser.add_argument("--take-away", action="store_true", help="the person has it no longer")

    @transaction.atomic
    def handle(self, *args, user, role, take_away, **options):
        person = User.objects.select_for_update().filter(username=user, is_active=True).first()
        if person is None:
            raise CommandError("There is no active user of that name. Make one: manage.py createsuperuser, or in the admin.")
        group = Group.objects.get(name=ROLES[role][0])
        (person.groups.remove if take_away else person.groups.add)(group)
        # The way into the admin, as long as there is anything for them.
        person.is_staff = person.is_superuser or person.groups.exists() or person.user_permissions.exists()
        person.save(update_fields=["is_staff"])
        record(COMMAND, Action.CHANGED, "user", person.uploader_id, ["groups", "staff status"], person=person)
        self.stdout.write(f"{person.username}: {', '.join(person.groups.order_by('name').values_list('name', flat=True)) or 'no role'}")
