"""The database goes away for a while, in the middle of what it is needed for: nothing is lost, nothing is claimed, it heals."""

import pytest
from django.db import OperationalError, connection

from services_app.ledger import verify
from services_app.ledger.models import Entry
from services_app.uploads import actions, errors, recover
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, writers
from tests.services_app.making import announced, begun, claims_object, now_of, over, request_body
from tests.waiting import wait_for

AWAY = OperationalError("server closed the connection unexpectedly")


@pytest.fixture
def running(known_store):
    return begun(claims_object(), announced(length=None, protocol="tus"))


def body_of(running, *pieces, between=lambda: None):
    """A body that comes piece by piece; `between` is called before each but the first."""
    body, left = request_body(b"", length=sum(map(len, pieces))), list(pieces)

    def fill(buffer):
        type(body).fill(body, buffer[:0])  # what it does besides receiving
        if len(left) < len(pieces):
            between()
        piece = left.pop(0) if left else b""
        if piece is None:
            raise errors.BodyCutOff
        buffer[: len(piece)] = piece
        body.received += len(piece)
        return len(piece)

    body.fill = fill
    return body


@pytest.mark.django_db
def test_a_checkpoint_that_meets_no_database_is_left_for_the_next_one(running, monkeypatch):
    monkeypatch.setattr(receive, "CHECKPOINT_EVERY", 0)
    real, asked = actions.checkpoint, []

    def away_at_first(upload, **safe):
        asked.append(safe["offset"])
        if len(asked) == 1:
            raise AWAY
        real(upload, **safe)

    monkeypatch.setattr(actions, "checkpoint", away_at_first)
    receive.receive(running, body_of(running, b"first", b"-last"), claims_object(), receive.Append(final=True))
    assert asked == [5, 10] and now_of(running).state == "committed" and now_of(running).size == 10


@pytest.mark.django_db
def test_a_promise_whose_answer_was_lost_is_kept_all_the_same(running, known_store, monkeypatch):
    """The database saved the offset, and then the connection broke: bytes behind the older offset must not be removed."""
    monkeypatch.setattr(receive, "CHECKPOINT_EVERY", 0)

    def saved_and_lost(upload, **safe):
        Upload.objects.filter(id=upload.id).update(**safe)
        raise AWAY

    monkeypatch.setattr(actions, "checkpoint", saved_and_lost)

    def break_off():
        raise errors.RequestMalformed

    with pytest.raises(errors.RequestMalformed):
        body = body_of(running, b"first", b"-last", between=break_off)
        receive.receive(running, body, claims_object(), receive.Append(final=True))
    kept = now_of(running)
    assert (kept.state, kept.offset, known_store.staged_size(running.id)) == ("waiting", 5, 5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_outcome_is_unknown_is_neither_success_nor_failure(running, monkeypatch, committed):
    """The answer to COMMIT is lost. Whichever it was: the sender hears "come back", one entry is written, one receipt signed."""
    real, real_complete = connection._commit, actions.complete

    def lost():
        if committed:
            real()
        raise AWAY

    def complete(upload, name):
        with monkeypatch.context() as broken:
            broken.setattr(connection, "_commit", lost)
            real_complete(upload, name)

    monkeypatch.setattr(actions, "complete", complete)
    with pytest.raises((errors.DatabaseUnavailable, errors.StoreUnavailable)):
        receive.receive(running, body_of(running, b"bytes"), claims_object(), receive.Append(final=True))
    monkeypatch.setattr(actions, "complete", real_complete)
    assert now_of(running).state == ("committed" if committed else "committing")
    Upload.objects.update(**over())
    recover.settle_stale_uploads_of(running.grant_id)
    settled = now_of(running)
    assert settled.state == "committed" and settled.receipt
    assert [entry.event for entry in Entry.objects.all()] == ["committed"] and not list(verify.broken_entries())


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_a_sender_holds_no_connection_of_the_pool(running):
    held = []
    body = body_of(running, b"first", b"-last", between=lambda: held.append(connection.connection is not None))
    receive.receive(running, body, claims_object(), receive.Append(final=True))
    # SQLite has none to share: opening the file again would only cost.
    assert held and set(held) == {connection.vendor == "sqlite"} and now_of(running).state == "committed"


@pytest.mark.django_db(transaction=True)
def test_every_connection_that_was_cut_is_replaced(running, monkeypatch):
    """As after a restart of the server: the watcher's own, those of the pool, and this thread's."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no server to lose")
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    with writers.writing(running):
        before = now_of(running).lease_until
        wait_for(lambda: now_of(running).lease_until > before, 5)
        with connection.cursor() as cursor:
            mine = "application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
            cursor.execute(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND {mine}")
            assert cursor.fetchone()[0] >= 1
        after = now_of(running).lease_until
        wait_for(lambda: now_of(running).lease_until > after, 5)
