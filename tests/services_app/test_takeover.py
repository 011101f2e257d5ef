"""A newer request takes over: only after the older one has let go, and never from a request that is newer still."""

import socket
import threading
import time
from datetime import timedelta

import pytest
from django.db import InterfaceError, connection
from django.utils import timezone

from services_app.uploads import actions, errors
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, takeover, writers
from services_app.uploads.states import State
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object, now_of, request_body, some_uuid
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]


@pytest.fixture
def waiting():
    return begun(claims_object(), announced(None), receiving=False)


@pytest.fixture
def running():
    return begun(claims_object(), announced(None))


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(takeover, "PATIENCE", 0.05)


def test_what_was_read_before_another_request_came_and_went_is_read_again(waiting):
    stale, other = now_of(waiting), takeover.seize(now_of(waiting))
    actions.wait(other, offset=7)
    seized = takeover.seize(stale)
    assert (seized.offset, seized.generation) == (7, other.generation + 1)


def test_an_upload_that_waits_is_seized_at_once(waiting):
    seized = takeover.seize(now_of(waiting))
    assert (seized.state, seized.generation, seized.contender, seized.owner) == ("receiving", 1, 1, leases.owner())
    assert seized.lease_until > timezone.now()
    actions.wait(seized)
    assert takeover.seize(now_of(waiting)).generation == 2


def test_a_request_that_is_older_than_the_last_offset_retrieval_comes_too_late(waiting):
    arrived = now_of(waiting).retrievals
    before = now_of(waiting)
    takeover.interrupt(waiting.id)
    for seen in (before, now_of(waiting)):
        with pytest.raises(errors.UploadInProgress):
            takeover.seize(seen, arrived)
    assert (now_of(waiting).state, now_of(waiting).generation) == ("waiting", 0)
    assert takeover.seize(now_of(waiting), arrived + 1).state == "receiving"


def test_a_request_that_comes_too_late_does_not_disturb_the_one_that_writes(waiting):
    takeover.interrupt(waiting.id)
    writer = takeover.seize(now_of(waiting), 1)
    with pytest.raises(errors.UploadInProgress):
        takeover.seize(now_of(waiting), 0)
    assert now_of(waiting).contender == writer.contender


def test_an_offset_retrieval_between_the_look_and_the_taking_is_noticed(waiting):
    """Of a request that nobody told how many there were: it only looks once more."""
    seen = now_of(waiting)
    takeover.interrupt(waiting.id)
    assert takeover.seize(seen).retrievals == 1


def test_a_seized_upload_is_lost_to_whoever_held_it_before(waiting):
    first = takeover.seize(now_of(waiting))
    actions.wait(first)
    takeover.seize(now_of(waiting))
    for change in (
        lambda: actions.checkpoint(first, offset=9, digest_state=b"", media_type=""),
        lambda: actions.keep_lease(first),
        lambda: actions.set_length(first, 9),
        lambda: actions.wait(first),
        lambda: actions.begin_commit(first, size=9, sha256="", media_type=""),
        lambda: actions.complete(first),
        lambda: actions.abort(first, "too_large"),
    ):
        with pytest.raises(actions.LeaseLost):
            change()
    actions.release(first)
    assert (now_of(waiting).state, now_of(waiting).offset, now_of(waiting).generation) == ("receiving", 0, 2)
    assert now_of(waiting).lease_until > timezone.now()


@pytest.mark.usefixtures("impatient")
def test_where_two_wait_already_the_next_is_told_at_once_and_changes_nothing(running):
    with takeover._in_line(running.id), takeover._in_line(running.id):
        with pytest.raises(errors.UploadInProgress):
            takeover.seize(running)
        assert Upload.objects.get(id=running.id).contender == running.contender
    with pytest.raises(errors.UploadInProgress):
        takeover.seize(running)
    assert Upload.objects.get(id=running.id).contender == running.contender + 1


@pytest.mark.usefixtures("impatient")
def test_a_request_that_does_not_let_go_keeps_its_upload(running):
    with pytest.raises(errors.UploadInProgress):
        takeover.seize(now_of(running))
    assert (now_of(running).state, now_of(running).generation, now_of(running).contender) == ("receiving", 1, 2)
    actions.checkpoint(running, offset=3, digest_state=b"", media_type="")


def test_of_two_that_want_it_the_newer_one_gets_it(running, monkeypatch):
    monkeypatch.setattr(takeover, "_make_it_let_go", lambda _: takeover._raise_hand(running.id))
    with pytest.raises(errors.UploadInProgress):
        takeover.seize(now_of(running))
    monkeypatch.undo()
    actions.wait(running)
    assert takeover.seize(now_of(running)).generation == 4


def test_a_takeover_that_was_asked_for_stops_the_older_writer(running):
    ours, theirs = socket.socketpair()
    with writers.writing(running, ours) as writer:
        writers.stop(running.id, 1)
        assert not writer.superseded
        writers.stop(running.id, 2)
        assert writer.superseded and ours.recv(1) == b""  # which wakes a thread that waits there
    theirs.close()


def test_a_writer_that_came_after_is_not_stopped_by_a_takeover_of_the_one_before(waiting):
    takeover._raise_hand(waiting.id)  # the older one's successor …
    newer = takeover.seize(now_of(waiting))
    with writers.writing(newer) as writer:
        writers.stop(newer.id, 1)  # … is told of only now
        writers.stop(newer.id, newer.generation)
        assert not writer.superseded


def test_a_writer_that_ends_late_does_not_take_its_successor_out_of_the_list(waiting):
    older, newer = takeover.seize(now_of(waiting)), now_of(waiting)
    newer.generation = 2
    first = writers.writing(older)
    first.__enter__()
    with writers.writing(newer) as writer:
        first.__exit__(None, None, None)
        writers.stop(newer.id, 3)
        assert writer.superseded
    assert newer.id not in writers._writers


@pytest.mark.parametrize("gone", [True, False])
def test_an_abandoned_request_is_settled_on_the_way(running, monkeypatch, gone):
    if gone:
        monkeypatch.setattr(leases, "is_gone", lambda _: True)
    else:
        Upload.objects.update(**making.over())
    assert takeover.seize(now_of(running)).generation == 2
    with pytest.raises(actions.LeaseLost):
        actions.keep_lease(running)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("superseded", errors.Superseded),
        ("upload_expired", errors.UploadExpired),
        ("upload_cancelled", errors.UploadCancelled),
        ("type_refused", errors.UploadGone),
    ],
)
def test_what_was_aborted_says_why_it_is_gone(running, code, told):
    actions.abort(running, code)
    with pytest.raises(told):
        takeover.seize(now_of(running))
    assert takeover.interrupt(running.id).state == "aborted"


def test_what_is_committed_says_so_until_its_sender_is_done_with_it(running):
    actions.begin_commit(running, size=0, sha256="ab" * 32, media_type="a/b")
    with pytest.raises(errors.UploadInProgress):
        takeover.seize(now_of(running))
    assert takeover.interrupt(running.id).state == "committing"
    running.refresh_from_db()
    actions.complete(running)
    with pytest.raises(errors.AlreadyCommitted):
        takeover.seize(now_of(running))
    Upload.objects.update(terminated=True)
    with pytest.raises(errors.UploadGone):
        takeover.seize(now_of(running))


def test_what_never_was_is_unknown():
    with pytest.raises(errors.UploadUnknown):
        takeover.interrupt(some_uuid())
    with pytest.raises(errors.UploadUnknown):
        takeover.seize(Upload(id=some_uuid(), state=State.RECEIVING))


def test_a_question_disturbs_nobody_when_nobody_is_sending(waiting):
    assert takeover.interrupt(waiting.id).state == "waiting"
    assert now_of(waiting).contender == 0


@pytest.mark.usefixtures("impatient")
def test_a_question_about_a_request_that_does_not_let_go_returns_it_as_it_is(running):
    assert takeover.interrupt(running.id).state == "receiving"


@pytest.mark.django_db(transaction=True)
def test_the_watcher_tells_a_writer_of_a_takeover_by_another_process(running):
    with writers.writing(running) as writer:
        takeover._raise_hand(running.id)
        wait_for(lambda: writer.superseded, 5)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", [InterfaceError, RuntimeError])
def test_the_watcher_outlives_every_fault(running, monkeypatch, fault):
    real, calls = writers.contended, []

    def failing(held):
        calls.append(None)
        if len(calls) < 3:
            raise fault
        return real(held)

    monkeypatch.setattr(writers, "contended", failing)
    with writers.writing(running) as writer:
        watcher = writers._watcher
        takeover._raise_hand(running.id)
        wait_for(lambda: writer.superseded, 5)
        assert writers._watcher is watcher and watcher.is_alive()


@pytest.mark.django_db(transaction=True)
def test_the_watcher_renews_the_leases_of_requests_that_wait(running, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    soon = timezone.now() + timedelta(seconds=1)
    Upload.objects.update(lease_until=soon)
    with writers.writing(running):
        wait_for(lambda: now_of(running).lease_until > soon + timedelta(seconds=5), 5)


@pytest.mark.django_db(transaction=True)
def test_a_takeover_in_the_middle_of_a_body_loses_no_byte_and_goes_on_behind_it(running, known_store):
    """The older request hangs in recv; the newer one gets all that came and completes the file."""
    ours, theirs = socket.socketpair()
    claims, outcome = claims_object(jti=str(running.grant_id)), []

    def older():
        body = request_body(b"")
        body.length, body.connection = 10, ours

        def fill(buffer):
            got = ours.recv_into(buffer)
            body.received += got
            if got == 0:
                raise errors.BodyCutOff
            return got

        body.fill = fill
        try:
            receive.receive(now_of(running), body, claims, receive.Append(final=True))
        except errors.Problem as exc:
            outcome.append(exc.code)
        finally:
            connection.close()

    thread = threading.Thread(target=older)
    thread.start()
    theirs.sendall(b"first")
    wait_for(lambda: known_store.staged_size(running.id) == 5, 5)
    began = time.monotonic()
    newer = takeover.seize(now_of(running))
    assert newer.offset == 5 and time.monotonic() - began < takeover.PATIENCE
    thread.join(5)
    assert outcome == ["upload_in_progress"]
    theirs.close()
    receive.receive(newer, request_body(b"-last"), claims, receive.Append(final=True))
    assert known_store.path(actions.object_name(newer)).read_bytes() == b"first-last"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rivals", [8])
def test_of_many_takeovers_at_once_each_ends_as_the_writer_or_with_a_refusal(waiting, rivals):
    start, outcomes = threading.Barrier(rivals), []

    def rival():
        try:
            start.wait()
            seized = takeover.seize(now_of(waiting))
            held = Upload.objects.filter(id=waiting.id, state="receiving", generation=seized.generation).exists()
            outcomes.append((seized.generation, held))
            actions.wait(seized)
        except (errors.UploadInProgress, actions.LeaseLost) as exc:
            outcomes.append(type(exc))
        finally:
            connection.close()

    threads = [threading.Thread(target=rival) for _ in range(rivals)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
    assert len(outcomes) == rivals and won and len({generation for generation, _ in won}) == len(won)
    assert all(held for _, held in won) and actions.LeaseLost not in outcomes
    assert now_of(waiting).state == "waiting"
