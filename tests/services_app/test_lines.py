"""One person's requests that wait for each other hold no connections that others need (ADR 0019, ADR 0026)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import Error, connection, transaction

from services_app.config import turns
from services_app.uploads import actions, errors, revoke
from tests.services_app.making import announced, begun, claims_object, now_of, some_uuid
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("known_store")]

MANY = 24  # more than a process has connections


@pytest.fixture
def held(request):
    """A function: this turn is taken, by somebody whom nobody hurries, until the end of the test."""
    over, taken = threading.Event(), threading.Event()

    def hold(turn, of):
        try:
            with transaction.atomic():
                turns.take(turn, of)
                taken.set()
                over.wait(60)
        finally:
            connection.close()

    def begin(turn, of):
        thread = threading.Thread(target=hold, args=(turn, of))
        thread.start()
        request.addfinalizer(lambda: (over.set(), thread.join()))
        taken.wait(10)
        return over.set

    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no turns, and lends no connections")
    yield begin


def told(act, *args):
    try:
        act(*args)
    except (errors.Problem, Error) as exc:
        return type(exc).__name__
    finally:
        connection.close()
    return "done"


def begin_one(sub):
    actions.create(claims_object(sub=sub), announced(1, protocol="tus"), receiving=False)


def append_one(upload):
    assert actions.take_up(upload, 1, lambda _: 1)


def asked_at_once(what):
    """Answers to come, once all of them wait who will."""
    if what == "creations":
        return turns.Turn.PERSON, "greedy", [(begin_one, "greedy")] * MANY
    if what == "appends":
        waiting = [begun(claims_object(sub="greedy"), announced(1, protocol="tus"), receiving=False) for _ in range(MANY)]
        return turns.Turn.PERSON, "greedy", [(append_one, now_of(upload)) for upload in waiting]
    if what == "refusals":
        claims = [claims_object(sub="greedy") for _ in range(MANY)]
        return turns.Turn.PERSON, "greedy", [(actions.note_refusal, each, "busy") for each in claims]
    grant = some_uuid()
    return turns.Turn.GRANT, grant, [(revoke.take_back, grant)] * MANY


@pytest.mark.parametrize("what", ["creations", "appends", "refusals", "revocations"])
def test_who_waits_for_a_turn_of_one_person_leaves_the_others_their_connections(what, held, settings):
    settings.LISTENER = "uploads"
    turn, of, asked = asked_at_once(what)
    let_go = held(turn, of)
    with ThreadPoolExecutor(MANY + 1) as pool:
        answers = [pool.submit(told, *each) for each in asked]
        assert [pool.submit(told, begin_one, "bystander").result() for _ in range(3)] == ["done"] * 3
        let_go()
        assert {each.result() for each in answers} <= {"done", "ShareTaken"}
    # The bystander may have stood there as well, of whose leavings a person has half.
    assert sum(each.result() == "done" for each in answers) >= settings.UPLOAD_MAX_CONCURRENT // 2 - 1


def test_in_a_line_stand_no_more_of_one_person_than_its_share(held, settings):
    settings.LISTENER = "uploads"
    let_go = held(turns.Turn.PERSON, "greedy")
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(told, begin_one, "greedy") for _ in range(MANY)]
        wait_for(lambda: sum(each.done() for each in answers) == MANY - settings.UPLOAD_MAX_CONCURRENT // 2)
        let_go()
        counted = [each.result() for each in answers]
    assert (counted.count("done"), counted.count("ShareTaken")) == (16, MANY - 16)
