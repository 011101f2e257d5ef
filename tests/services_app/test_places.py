"""Places are shared by person: half of what the others leave, and one as long as any is free (ADR 0026)."""

import pytest

from services_app.uploads import actions, errors
from services_app.uploads.models import Grant
from services_app.uploads.ownership import leases, places, writers
from services_app.uploads.ownership.places import Places
from services_app.uploads.wire.pace import Allowance, Pace
from tests.services_app.making import announced, begun, claims_object, some_uuid, uuid7
from tests.services_app.test_authorize import ask  # noqa: F401  the fixture
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]


@pytest.mark.parametrize(
    ("own", "others", "refused"),
    [
        (0, 0, None),
        (15, 0, None),
        (16, 0, errors.ShareTaken),
        (7, 16, None),
        (8, 16, errors.ShareTaken),
        (0, 31, None),
        (1, 30, errors.ShareTaken),
        (0, 32, errors.Busy),
        (16, 16, errors.Busy),
    ],
)
def test_what_one_person_may_hold_of_32(own, others, refused, settings):
    settings.UPLOAD_MAX_CONCURRENT = 32
    if refused is None:
        places.check(own, others)
    else:
        with pytest.raises(refused):
            places.check(own, others)


def test_a_beginning_and_an_append_beyond_the_share_are_429_and_another_person_is_served(ask, uploads, grant_token, settings):  # noqa: F811
    settings.UPLOAD_MAX_CONCURRENT = 4
    waiting = begun(claims_object(jti=uuid7(), sub="u_greedy"), announced(9), receiving=False)
    for _ in range(2):
        begun(claims_object(jti=uuid7(), sub="u_greedy"), announced(9))
    theirs, mine = grant_token(sub="u_greedy"), grant_token(sub="u_other")
    assert ask(token=theirs)[1] == "share_taken" and ask(token=mine)[1] is None
    answer = uploads("PUT", "/u", token=theirs, body=b"content")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (429, "share_taken", "10")
    again = grant_token(sub="u_greedy", jti=str(waiting.grant_id))
    assert ask("PATCH", f"/{waiting.id}", token=again)[1] == "share_taken"
    part = {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_LENGTH": "9", "HTTP_UPLOAD_CONCAT": "partial"}
    assert uploads("POST", "/u", token=theirs, **part).json()["code"] == ask("POST", token=theirs, **part)[1] == "share_taken"
    assert uploads("PUT", "/u", token=mine, body=b"content").status_code == 201


def test_appends_that_come_at_the_same_moment_are_counted_by_their_process(settings):
    settings.UPLOAD_MAX_CONCURRENT = 4
    of_process, upload_id = Places(), some_uuid()
    with of_process.held("u_greedy", upload_id), of_process.held("u_greedy", some_uuid()):
        with of_process.held("u_greedy", upload_id):  # takes over from the first
            pass
        with pytest.raises(errors.ShareTaken), of_process.held("u_greedy", some_uuid()):
            pass
        with of_process.held("u_other", some_uuid()):
            pass
    assert not of_process._held


@pytest.mark.django_db(transaction=True)
def test_the_watcher_says_when_places_are_scarce_and_who_is_alone_is_in_nobodys_way(settings, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    assert [limit for limit in (1, 2, 4, 32) if (setattr(settings, "UPLOAD_MAX_CONCURRENT", limit), places.are_scarce(1))[1]] == []
    settings.UPLOAD_MAX_CONCURRENT = 4
    uploads = [begun(claims_object(jti=uuid7(), sub=f"u_{number}"), announced(9)) for number in range(3)]
    with writers.writing(uploads[0]):
        wait_for(lambda: places.places.are_scarce, 5)
        actions.wait(uploads[2])
        wait_for(lambda: not places.places.are_scarce, 5)


def spend(pace: Pace, rate: int, seconds: int) -> int | None:
    """After how many seconds a sender of so many bytes a second is cut off; None: not within `seconds`."""
    allowance = Allowance(pace)
    for second in range(seconds):
        try:
            allowance.spend(1.0, rate)
        except errors.TooSlow:
            return second
    return None


@pytest.mark.parametrize(
    ("rate", "scarce", "cut_after"), [(4096, False, None), (4096, True, 69), (32768, True, None), (0, True, 61), (0, False, 600)]
)
def test_a_slow_line_is_let_alone_while_there_are_places_and_has_to_hurry_while_they_are_scarce(rate, scarce, cut_after):
    pace = Pace(idle_timeout=300, min_rate=4096, window=600, deadline=86400, scarce_rate=32768, is_scarce=lambda: scarce)
    assert spend(pace, rate, 3600) == cut_after
    assert Grant.objects.count() == 0
