"""Alive is not ready: red health says which part, and no path."""

import pytest
from django.db import DatabaseError

from services_app.config import health

pytestmark = pytest.mark.django_db


def test_alive_needs_nothing(control):
    assert control("GET", "/healthz").json() == {"status": "ok"}


def test_ready_when_store_space_and_database_are(control, known_store):
    answer = control("GET", "/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "store": "ok", "space": "ok"}


def test_not_ready_before_init_store(control):
    answer = control("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "failing", "database": "ok", "store": "absent", "space": "unknown"}


def test_not_ready_while_an_empty_folder_stands_in_for_the_nas(control, known_store, nas):
    nas.rename(nas.with_name("unmounted"))
    nas.mkdir()
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["store"]) == (503, "absent")
    nas.rmdir()
    nas.with_name("unmounted").rename(nas)
    assert control("GET", "/readyz").status_code == 200


def test_not_ready_without_space_beyond_the_reserve(control, known_store, settings):
    settings.UPLOAD_SPACE_RESERVE = 1 << 60
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["space"]) == (503, "full")


def test_not_ready_without_a_database_and_no_reason_is_quoted(control, known_store, monkeypatch):
    def broken():
        raise DatabaseError("canary: unable to open /var/lib/x")

    monkeypatch.setattr(health.connection, "cursor", broken)
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "failing")
    assert "canary" not in answer.content.decode()
