"""`/healthz` is green only while a row can be written, and leaves none behind."""

import contextlib
import itertools

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from web_app.accounts.models import Session
from web_app.config import health


@pytest.fixture(autouse=True)
def asked_for_the_first_time():
    health.believed.cache_clear()
    yield
    health.believed.cache_clear()


def pragma(statement):
    with connection.cursor() as cursor:
        return cursor.execute(f"PRAGMA {statement}").fetchall()


@pytest.fixture
def full(db):
    """A database that takes no more pages; one that is full says the same."""
    pragma("max_page_count = 1")  # SQLite makes it the pages that there are
    number = itertools.count()
    for size in (1 << 16, 1 << 12, 1):  # and these are filled
        with contextlib.suppress(DatabaseError):
            while True:
                with transaction.atomic():
                    Session.objects.create(session_key=str(next(number)), session_data="x" * size, expire_date=timezone.now())
    yield
    pragma("max_page_count = 4294967294")


def read_only(switch):
    """A server that is a standby, or a file that SQLite may only read."""
    statement = "SET default_transaction_read_only = {}" if connection.vendor == "postgresql" else "PRAGMA query_only = {}"
    with connection.cursor() as cursor:
        cursor.execute(statement.format(switch))


def test_healthy_while_a_row_can_be_written_and_none_stays(client, db):
    answer = client.get("/healthz", headers={"host": "localhost"})
    assert (answer.status_code, answer.json(), answer["Cache-Control"]) == (200, {"status": "ok"}, "no-store")
    assert not Session.objects.exists()


def test_a_changed_file_that_was_refused_is_told_and_which_one_is_not(client, db, monkeypatch):
    monkeypatch.setattr(health.watched, "refused", lambda: ["TOKEN_KEY_FILE"])
    answer = client.get("/healthz", headers={"host": "localhost"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "files": "refused"})


@pytest.mark.skipif(connection.vendor != "sqlite", reason="tells SQLite's own way")
@pytest.mark.django_db(transaction=True)  # SQLite rolls a transaction back when it is full
def test_red_while_the_database_is_full(client, full):
    answer = client.get("/healthz", headers={"host": "localhost"})
    assert (answer.status_code, answer.json()) == (503, {"status": "database_unavailable"})


@pytest.mark.django_db(transaction=True)
def test_red_while_the_database_takes_no_writes(client):
    read_only("on")
    try:
        answer = client.get("/healthz", headers={"host": "localhost"})
    finally:
        read_only("off")
    assert (answer.status_code, answer.json()) == (503, {"status": "database_unavailable"})


def test_a_good_answer_counts_for_seconds_and_a_bad_one_not_at_all(client, db, monkeypatch):
    written = []
    real = health._write_and_take_back
    monkeypatch.setattr(health, "_write_and_take_back", lambda: written.append(1) or real())
    assert [client.get("/healthz", headers={"host": "localhost"}).status_code for _ in range(3)] == [200] * 3 and len(written) == 1
    health.believed.cache_clear()

    def broken():
        raise DatabaseError("canary")

    with monkeypatch.context() as patch:
        patch.setattr(health, "_write_and_take_back", broken)
        assert client.get("/healthz", headers={"host": "localhost"}).status_code == 503
    assert client.get("/healthz", headers={"host": "localhost"}).status_code == 200
