"""A database that is locked, full, read-only or away: 503 with Retry-After wherever it shows, and no answer is replaced."""

import datetime

import pytest
from django import db
from django.db.models.query import QuerySet
from django.utils import timezone

from tests.web_app.conftest import PASSWORD
from tests.web_app.test_sign_in import SIGN_IN, post
from web_app.accounts import api_keys, throttle
from web_app.accounts.models import SignInTries
from web_app.accounts.sessions import SessionStore
from web_app.grants.models import Grant

pytestmark = pytest.mark.django_db

FAULTS = [
    db.OperationalError("database is locked"),
    db.InterfaceError("connection already closed"),
    db.InternalError("cannot execute INSERT in a read-only transaction"),
    db.DatabaseError("file is not a database"),
]


def failing(fault):
    def fail(*args, **kwargs):
        raise fault

    return fail


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("path", ["/", "/uploads/", "/admin/", "/api/v1/uploads", "/api/v1/collections", "/session"])
def test_pages_and_api_are_503_with_retry_after(page_api, operator, monkeypatch, fault, path):
    client = page_api(operator).client
    client.raise_request_exception = False
    monkeypatch.setattr(QuerySet, "_fetch_all", failing(fault))
    response = client.get(path)
    assert (response.status_code, response["Retry-After"]) == (503, "10")
    assert response["Cache-Control"] == "no-store"
    if path.startswith("/api/"):
        assert response.json()["code"] == "database_unavailable"
    else:
        assert b"Back in a moment" in response.content and response["Content-Type"].startswith("text/html")


def test_signing_in_is_503_and_nobody_is_signed_in(browser, person, monkeypatch):
    client = browser()
    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr(SessionStore, "save", failing(FAULTS[0]))
        assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 503
    assert client.get("/api/v1/uploads").status_code == 401


def test_a_fault_of_our_own_statements_stays_a_500(page_api, person, monkeypatch):
    client = page_api(person).client
    client.raise_request_exception = False
    monkeypatch.setattr(QuerySet, "_fetch_all", failing(db.ProgrammingError("no such column")))
    assert client.get("/api/v1/uploads").status_code == 500


def test_what_was_done_is_told_although_the_session_cannot_be_saved_behind_it(
    page_api, person, collection, monkeypatch
):
    api = page_api(person)
    session = api.client.session
    session["signed_in_at"] = int(timezone.now().timestamp())
    session.save()
    monkeypatch.setattr(SessionStore, "save", failing(FAULTS[0]))
    assert api.post("uploads", {"collection": "mri-2026"}).status_code == 201
    assert Grant.objects.count() == 1


def test_a_key_works_although_its_use_cannot_be_noted(key_api, person, collection, monkeypatch):
    api = key_api(person)
    monkeypatch.setattr(api_keys, "note_use", failing(FAULTS[0]))
    assert api.get("collections").status_code == 200


def test_a_clock_that_was_set_back_locks_nobody_out(person):
    for _ in range(throttle.BY_ACCOUNT_AND_ADDRESS):
        throttle.take_a_try("ada", "192.0.2.1")
    SignInTries.objects.update(window_ends_at=timezone.now() + throttle.WINDOW + datetime.timedelta(hours=1))
    throttle.take_a_try("ada", "192.0.2.1")
