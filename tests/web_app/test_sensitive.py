"""Power over accounts: who may hand it out, when the password is asked for again, and what ends with a password."""

import time
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from tests.web_app.conftest import PASSWORD, just_signed_in
from web_app.accounts import api_keys
from web_app.accounts.models import ApiKey, User
from web_app.accounts.roles import ROLES
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND
from web_app.collections.models import Collection
from web_app.grants.models import Browser, Grant, Revocation

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
NEW = "quite another passphrase"


@pytest.fixture
def clerk(db):
    """Staff who may do everything with people, groups and keys, and is no superuser."""
    made = User.objects.create_user("carl", password=PASSWORD, is_staff=True)
    made.user_permissions.set(Permission.objects.filter(content_type__model__in=["user", "group", "apikey", "membership"]))
    return made


@pytest.fixture
def admin(browser):
    def signed_in(user, *, lately=True):
        client = browser(user)
        if lately:
            just_signed_in(client)
        client.handler.enforce_csrf_checks = False
        return client

    return signed_in


def at(path):
    return f"/admin/auth/{path}" if path.startswith("group/") else f"/admin/accounts/{path}"


def post(client, path, **fields):
    return client.post(at(path), urlencode(fields, doseq=True), content_type=FORM)


def as_typed(user, **changed):
    """The form of a person, every box as it stands."""
    boxes = {name: "on" for name in ("is_active", "is_staff", "is_superuser") if getattr(user, name)}
    times = {"last_login_0": "", "last_login_1": "", "date_joined_0": "2026-11-01", "date_joined_1": "00:00:00"}
    return {"username": user.username, "first_name": "", "last_name": "", "email": "", **times, **boxes, **changed}


@pytest.mark.parametrize("right", ["is_superuser", "is_staff", "groups", "user_permissions"])
@pytest.mark.parametrize("whose", ["own", "another's"])
def test_staff_who_may_change_people_hands_out_no_rights(admin, clerk, person, right, whose):
    group = Group.objects.create(name="all")
    target = clerk if whose == "own" else person
    value = {"groups": group.pk, "user_permissions": Permission.objects.first().pk}.get(right, "on")
    before = [*target.user_permissions.values_list("pk", flat=True)]
    post(admin(clerk), f"user/{target.pk}/change/", **as_typed(target, **{right: value}))
    target.refresh_from_db()
    assert (target.is_superuser, target.is_staff) == (False, target == clerk)
    assert not target.groups.exists()
    assert [*target.user_permissions.values_list("pk", flat=True)] == before


@pytest.mark.parametrize("form", ["change", "password", "delete"])
@pytest.mark.parametrize("rank", ["is_superuser", "is_staff"])
def test_staff_changes_no_other_operator(admin, clerk, form, rank):
    boss = User.objects.create_user("boss", password=PASSWORD, **{rank: True})
    fields = {"change": as_typed(boss, username="mine"), "delete": {"post": "yes"}}.get(
        form, {"password1": NEW, "password2": NEW, "usable_password": "true"}
    )
    assert post(admin(clerk), f"user/{boss.pk}/{form}/", **fields).status_code == 403
    boss.refresh_from_db()
    assert boss.username == "boss" and boss.check_password(PASSWORD)


def test_staff_still_keeps_the_people(admin, clerk, person):
    post(admin(clerk), f"user/{person.pk}/change/", **as_typed(person, last_name="Lovelace"))
    person.refresh_from_db()
    assert person.last_name == "Lovelace"


def test_groups_are_for_superusers(admin, clerk, operator):
    group = Group.objects.create(name="g")
    for path in ("group/add/", f"group/{group.pk}/change/", f"group/{group.pk}/delete/"):
        assert post(admin(clerk), path, name="h", post="yes").status_code == 403
    assert post(admin(operator), f"group/{group.pk}/change/", name="h").status_code == 302
    assert Group.objects.filter(pk=group.pk, name="h").exists()


@pytest.mark.parametrize(
    "path",
    ["user/add/", "user/{}/change/", "user/{}/password/", "user/{}/delete/", "apikey/add/", "group/add/", "user/"],
)
def test_sensitive_changes_ask_for_the_password_again(admin, operator, person, path):
    path = path.format(person.pk)
    fields = {"username": "x", "post": "yes", "user": person.pk, "name": "g", "action": "delete_selected", "_selected_action": person.pk}
    for client in (admin(operator, lately=False), aged(admin(operator))):
        answer = post(client, path, **fields)
        assert answer.status_code == 302 and answer["Location"].startswith("/accounts/login/?next=/admin/")
        if path != "user/":
            assert client.get(at(path)).status_code == 302
    assert not ApiKey.objects.exists() and Group.objects.count() == len(ROLES) and User.objects.count() == 2


def aged(client):
    session = client.session
    session["signed_in_at"] = int(time.time()) - 16 * 60
    session.save()
    return client


def test_looking_asks_for_nothing(admin, operator, person):
    client = admin(operator, lately=False)
    assert client.get("/admin/accounts/user/").status_code == 200
    assert client.get("/admin/accounts/apikey/").status_code == 200


def test_a_key_for_somebody_else_names_who_made_it_and_for_whom(admin, operator, person, collection):
    fields = {"user": person.pk, "label": "", "may": "all", "collections": [collection.pk], "expires_at_0": "", "expires_at_1": ""}
    assert b"slk_" in post(admin(operator), "apikey/add/", **fields).content
    key = ApiKey.objects.get()
    assert [*key.collections.all()] == [collection] and key.expires_at is not None
    event = AuditEvent.objects.get(action="api_key_created")
    assert (event.actor, event.person, event.subject_id) == (operator, person, key.prefix)


def test_every_event_of_an_operator_names_the_thing_and_its_person(admin, operator, person, collection):
    post(admin(operator), f"user/{person.pk}/password/", password1=NEW, password2=NEW, usable_password="true")
    membership = person.memberships.get()
    fields = {"user": person.pk, "collection": collection.pk}
    admin(operator).post(f"/admin/collections/membership/{membership.pk}/change/", urlencode(fields), content_type=FORM)
    events = AuditEvent.objects.filter(action__in=["changed", "password_changed"])
    assert {(event.subject_kind, event.person) for event in events} == {("user", person), ("membership", person)}
    assert all(event.subject_id for event in events)


@pytest.mark.parametrize("how", ["model", "shut", "command", "superuser"])
def test_keys_and_browsers_end_with_a_password(monkeypatch, admin, operator, person, page_api, collection, how):
    page_api(person).post("uploads", {"collection": "mri-2026"})
    text = api_keys.create(person, label="", who=COMMAND)[1]
    other, _ = api_keys.create(operator, label="", who=COMMAND)
    if how == "model":
        person.set_password(NEW)
        person.save()
    elif how == "shut":
        person.set_unusable_password()
        person.save()
    elif how == "command":
        monkeypatch.setattr("getpass.getpass", lambda prompt="": NEW)
        call_command("changepassword", "ada")
    else:
        post(admin(operator), f"user/{person.pk}/password/", password1=NEW, password2=NEW, usable_password="true")
    assert api_keys.find(text) is None
    assert ApiKey.objects.get(pk=other.pk).is_usable
    assert Revocation.objects.get().browser == Browser.objects.get().digest
    assert Grant.objects.get().state == "issued"  # the same person goes on after signing in
    assert AuditEvent.objects.get(action="password_changed").person == person


def test_a_key_of_one_collection_ends_with_that_collection(person, collection):
    other = Collection.objects.create(slug="other", title="Other")
    _, text = api_keys.create(person, label="", who=COMMAND, collections=[other])
    _, wider = api_keys.create(person, label="", who=COMMAND, collections=[other, collection])
    other.delete()
    assert api_keys.find(text) is None
    assert list(api_keys.find(wider).collections.all()) == [collection]


def test_an_operators_key_is_made_and_ended_by_superusers_alone(admin, clerk, operator):
    fields = {"user": operator.pk, "label": "", "may": "all", "expires_at_0": "", "expires_at_1": ""}
    assert post(admin(clerk), "apikey/add/", **fields).status_code == 403
    key, text = api_keys.create(operator, label="", who=COMMAND)
    assert post(admin(clerk), "apikey/", action="revoke", _selected_action=key.pk).status_code == 403
    assert api_keys.find(text) is not None


def test_old_passwords_are_not_tried_in_the_admin(admin, operator):
    for lately in (False, True):
        new = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
        response = admin(operator, lately=lately).post("/admin/password_change/", urlencode(new), content_type=FORM)
        assert (response.status_code, response["Location"]) == (302, "/accounts/password/")
    operator.refresh_from_db()
    assert operator.check_password(PASSWORD)


def test_a_password_that_is_only_hashed_anew_ends_nothing(settings, person):
    _, text = api_keys.create(person, label="", who=COMMAND)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher", *settings.PASSWORD_HASHERS]
    assert User.objects.get().check_password(PASSWORD)
    assert User.objects.get().password.startswith("pbkdf2")
    assert api_keys.find(text) is not None
