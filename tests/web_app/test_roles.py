"""Auditors look, operators run the place, and neither of them is thereby in a collection."""

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from tests.web_app.conftest import just_signed_in
from web_app.accounts import roles
from web_app.audit.models import AuditEvent
from web_app.collections.models import Membership

pytestmark = pytest.mark.django_db

LOOKING = [
    "/admin/audit/auditevent/",
    "/admin/audit/auditevent/list.csv",
    "/admin/audit/securityevent/",
    "/admin/grants/grant/",
    "/admin/grants/storedupload/",
    "/admin/proof/checkpoint/",
]
RUNNING = [
    *("/admin/accounts/user/", "/admin/accounts/user/add/", "/admin/accounts/apikey/add/", "/admin/collections/collection/"),
    *("/admin/collections/collection/add/", "/admin/collections/membership/add/"),
]


def statuses(client, paths) -> set[int]:
    return {client.get(path).status_code for path in paths}


@pytest.mark.parametrize(("role", "looking", "running"), [("auditor", 200, 403), ("operator", 200, 200), (None, 302, 302)])
def test_what_a_role_may_see_and_do(browser, person, grant, role, looking, running):
    if role:
        call_command("give_role", "ada", role)
    client = just_signed_in(browser(person))
    assert (statuses(client, LOOKING), statuses(client, RUNNING)) == ({looking}, {running})
    assert statuses(client, ["/admin/auth/group/"]) == ({302} if role is None else {403})  # rights are for superusers to hand out
    assert client.get("/collections/mri-2026/").status_code == 404
    for path in ("/admin/audit/auditevent/add/", f"/admin/grants/grant/{grant.pk}/delete/"):
        assert client.get(path).status_code == (302 if role is None else 403)


def test_a_role_is_given_and_taken_away_by_command_and_stands_in_the_audit(person, capsys):
    for arguments, said, staff in (
        (["auditor"], "ada: Auditors", True),
        (["operator"], "ada: Auditors, Operators", True),
        (["auditor", "--take-away"], "ada: Operators", True),
        (["operator", "--take-away"], "ada: no role", False),
    ):
        call_command("give_role", "ada", *arguments)
        person.refresh_from_db()
        assert (capsys.readouterr().out.strip(), person.is_staff) == (said, staff)
    event = AuditEvent.objects.filter(subject_kind="user").first()
    assert (event.action, event.subject_id, event.person) == ("changed", person.uploader_id, person)
    assert event.fields == ["groups", "staff status"]
    with pytest.raises(CommandError, match="no active user"):
        call_command("give_role", "nobody", "auditor")


def test_every_migrate_makes_the_groups_what_they_are():
    before = {group.name: set(group.permissions.values_list("codename", flat=True)) for group in Group.objects.all()}
    assert before.keys() == {"Auditors", "Operators"}
    assert all(name.startswith("view_") for name in before["Auditors"]) and "view_auditevent" in before["Auditors"]
    assert "add_collection" in before["Operators"] and not {"change_grant", "delete_auditevent", "add_group"} & before["Operators"]
    Group.objects.get(name="Auditors").permissions.clear()
    call_command("migrate", verbosity=0)
    assert set(Group.objects.get(name="Auditors").permissions.values_list("codename", flat=True)) == before["Auditors"]
    assert roles.ROLES.keys() == {"auditor", "operator"}


def test_a_collection_gets_uploaders_and_coordinators_by_command(person, stranger, collection, folders, capsys):
    call_command("create_collection", "mri-2026", "--coordinator", "eve", "--coordinator", "ada")
    call_command("create_collection", "mri-2026", "--coordinator", "eve", "--member", "eve")
    made = {each.user.username: (each.may_upload, each.coordinates) for each in Membership.objects.select_related("user")}
    assert made == {"ada": (True, True), "eve": (True, True)}
    call_command("create_collection", "new", "--title", "N", "--coordinator", "eve")
    only = Membership.objects.get(collection__slug="new")
    assert (only.may_upload, only.coordinates) == (False, True)
    assert capsys.readouterr().out.splitlines() == [
        "there already: mri-2026; members added: 2",
        "there already: mri-2026; members added: 1",
        "made: new; members added: 1",
    ]
    changed = AuditEvent.objects.filter(action="changed", subject_kind="membership")
    assert [event.fields for event in changed.order_by("id")] == [["coordinates"], ["may_upload"]]
