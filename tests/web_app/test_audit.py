"""What people did is written down, with the change or not at all, and never changed afterwards."""

import ast
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.contrib.admin import site
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db.models import ProtectedError

from tests.web_app.conftest import PASSWORD, just_signed_in
from web_app.accounts import api_keys
from web_app.audit.admin import AuditedAdmin, ReadOnlyAdmin
from web_app.audit.models import Action, AppendOnly, AuditEvent
from web_app.audit.record import COMMAND, NotInTransaction, Who, record
from web_app.collections.models import Collection, Membership
from web_app.grants import actions
from web_app.grants.models import Grant

pytestmark = pytest.mark.django_db

SOURCES = Path(__file__).resolve().parents[2] / "web_app"


def events():
    return [(one.action, one.actor and one.actor.username, one.subject_kind, one.subject_id) for one in _rows()]


def _rows():
    return AuditEvent.objects.order_by("id")


def test_issuing_cancelling_and_completing_are_recorded_with_who_and_from_where(
    page_api, person, collection, receipt_for
):
    api = page_api(person)
    first, second = (api.post("uploads", {"collection": "mri-2026"}).json()["id"] for _ in range(2))
    api.delete(f"uploads/{first}")
    api.post("receipts", {"receipt": receipt_for(Grant.objects.get(pk=second))})
    uploader = ("ada", "grant")
    assert [one for one in events() if one[2] == "grant"] == [
        ("grant_issued", *uploader, first),
        ("grant_issued", *uploader, second),
        ("grant_cancelled", *uploader, first),
        ("grant_completed", *uploader, second),
    ]
    assert set(_rows().filter(subject_kind="grant").values_list("address", flat=True)) == {"127.0.0.1"}


def test_change_without_its_event_does_not_happen(monkeypatch, person, collection):
    def fails(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(actions, "record", fails)
    with pytest.raises(RuntimeError):
        actions.issue(person, "mri-2026", size=None, sha256=None, binding=None, who=COMMAND)
    assert not Grant.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_event_outside_of_a_transaction_is_refused():
    with pytest.raises(NotInTransaction):
        record(COMMAND, Action.ADDED)


def test_signing_in_and_out_is_recorded(browser, person):
    client = browser(person)
    client.logout()
    assert [one[:2] for one in events()] == [("signed_in", "ada"), ("signed_out", "ada")]
    assert {one[3] for one in events()} == {person.uploader_id}


def test_failed_sign_in_names_the_account_only_where_there_is_one(person):
    authenticate(username="ada", password="wrong")
    authenticate(username="typed-password", password=PASSWORD)
    assert events() == [("sign_in_failed", None, "user", person.uploader_id), ("sign_in_failed", None, "", "")]


def test_life_of_an_api_key_is_recorded_and_first_use_once(browser, person):
    key, text = api_keys.create(person, label="", expires_at=None, who=Who(person))
    for _ in range(2):
        browser().get("/api/v1/uploads", headers={"Authorization": f"Bearer {text}"})
    for _ in range(2):
        api_keys.revoke(key, who=Who(person))
    assert events() == [
        (action, "ada", "apikey", key.prefix) for action in ("api_key_created", "api_key_first_used", "api_key_revoked")
    ]


def test_commands_are_recorded_without_a_person(person, folders):
    call_command("create_collection", "ct-2026", "--title", "CT", "--member", "ada", verbosity=0)
    assert [one[:3] for one in events()] == [("added", None, "collection"), ("added", None, "membership")]


def _event():
    record(COMMAND, Action.ADDED, "collection", "x")
    return AuditEvent.objects.get()


@pytest.mark.parametrize(
    "attempt",
    [
        lambda event: event.save(),
        lambda event: event.delete(),
        lambda event: AuditEvent.objects.update(action="changed"),
        lambda event: AuditEvent.objects.filter(pk=event.pk).delete(),
        lambda event: AuditEvent.objects.bulk_update([event], ["action"]),
        lambda event: AuditEvent.objects.create(action="added"),
        lambda event: AuditEvent.objects.bulk_create([AuditEvent(action="added")]),
        lambda event: AuditEvent.objects.update_or_create(pk=event.pk, defaults={"action": "changed"}),
    ],
)
def test_event_can_neither_be_changed_nor_removed(attempt):
    event = _event()
    with pytest.raises(AppendOnly):
        attempt(event)
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["added"]


def test_person_with_a_past_cannot_be_deleted(person):
    record(Who(person), Action.SIGNED_IN)
    with pytest.raises(ProtectedError):
        person.delete()


def test_record_is_the_only_writer():
    writers = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "AuditEvent":
                writers.add(str(path.relative_to(SOURCES)))
    assert writers == {"audit/record.py"}


def test_removing_a_member_by_an_operator_is_recorded(browser, operator, person, collection):
    membership = Membership.objects.get()
    client = _operating(browser, operator)
    client.post(f"/admin/collections/membership/{membership.pk}/delete/", {"post": "yes"})
    assert not Membership.objects.exists()
    assert events()[-1] == ("deleted", "olga", "membership", f"mri-2026/{person.uploader_id}")


def test_change_of_a_collection_by_an_operator_is_recorded_with_the_fields_but_not_their_contents(
    browser, operator, collection
):
    client = _operating(browser, operator)
    form = {
        "title": "A new title",
        "max_size": "2000 bytes",
        "media_types": "",
        "start_within": "15 min",
        "valid_for": "24 h",
        "max_uploads": 1,
        "active": "on",
    }
    response = client.post(f"/admin/collections/collection/{collection.pk}/change/", form)
    assert response.status_code == 302
    assert Collection.objects.get().max_size == 2000
    event = _rows().last()
    assert (event.action, event.actor, event.subject_id) == ("changed", operator, "mri-2026")
    assert event.fields == ["Title", "Largest file"]


@pytest.mark.django_db(transaction=True)
def test_removing_several_members_at_once_is_recorded_each(browser, operator, stranger, collection):
    Membership.objects.create(user=stranger, collection=collection)
    keys = list(Membership.objects.values_list("pk", flat=True))
    form = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    assert _operating(browser, operator).post("/admin/collections/membership/", form).status_code == 302
    assert not Membership.objects.exists()
    assert [one[:3] for one in events()][-2:] == [("deleted", "olga", "membership")] * 2


@pytest.mark.django_db(transaction=True)
def test_new_password_by_an_operator_is_recorded(browser, operator, person):
    form = {"password1": "quite another passphrase", "password2": "quite another passphrase", "usable_password": "true"}
    response = _operating(browser, operator).post(f"/admin/accounts/user/{person.pk}/password/", form)
    assert response.status_code == 302
    assert events()[-1] == ("changed", "olga", "user", person.uploader_id)


def test_every_model_that_an_operator_can_change_is_audited():
    unaudited = {
        type(one).__name__ for one in site._registry.values() if not isinstance(one, AuditedAdmin | ReadOnlyAdmin)
    }
    # Its changes are actions of their own: api_keys.create and api_keys.revoke.
    assert unaudited == {"ApiKeyAdmin"}


@pytest.mark.django_db(transaction=True)
def test_new_person_is_recorded_under_an_opaque_id(browser, operator):
    form = {"username": "jane", "password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    assert _operating(browser, operator).post("/admin/accounts/user/add/", form).status_code == 302
    action, actor, kind, subject = events()[-1]
    assert (action, actor, kind) == ("added", "olga", "user")
    assert subject == type(operator).objects.get(username="jane").uploader_id


@pytest.mark.django_db(transaction=True)
def test_change_by_an_operator_without_its_event_does_not_happen(browser, operator, collection, monkeypatch):
    def fails(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr("web_app.audit.admin.record", fails)
    client = _operating(browser, operator)
    form = {"action": "delete_selected", "_selected_action": [Membership.objects.get().pk], "post": "yes"}
    with pytest.raises(RuntimeError):
        client.post("/admin/collections/membership/", form)
    assert Membership.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_revoking_keys_by_an_operator_is_recorded(browser, operator, person):
    key, _ = api_keys.create(person, label="", expires_at=None, who=COMMAND)
    _operating(browser, operator).post("/admin/accounts/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert events()[-1] == ("api_key_revoked", "olga", "apikey", key.prefix)


def _operating(browser, operator):
    client = just_signed_in(browser(operator))
    client.handler.enforce_csrf_checks = False
    post = client.post
    form = "application/x-www-form-urlencoded"
    client.post = lambda path, fields: post(path, urlencode(fields, doseq=True), content_type=form)
    return client
