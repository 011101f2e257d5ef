"""What one person may have here at all, and what becomes of it when it has ended (ADR 0027)."""

from datetime import timedelta

import pytest
from django.core.management import call_command

from services_app.ledger.models import Entry
from services_app.uploads import actions, bounds, prune, render
from services_app.uploads.content import receive
from services_app.uploads.models import Grant, Person, Upload
from services_app.uploads.ownership import leases
from tests.services_app.making import INTERNAL_KEY, WEB_APP, Connection, announced, begun, claims_object, now_of, uuid7
from tests.services_app.test_authorize import ask  # noqa: F401  the fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

TUS = {"HTTP_TUS_RESUMABLE": "1.0.0"}


def waiting(sub="u_42", offset=0, **claims):
    upload = begun(claims_object(jti=uuid7(), sub=sub, **claims), announced(None))
    actions.wait(upload, offset=offset) if offset else Upload.objects.filter(id=upload.id).update(state="waiting")
    return now_of(upload)


def some_of(what, settings, monkeypatch):
    """A person who has as much as may be, and how that is told."""
    if what == "unfinished":
        settings.UPLOAD_UNFINISHED_PER_PERSON = 2
        waiting(), waiting()
        return 429, "too_many_unfinished", "60"
    if what == "staged":
        settings.UPLOAD_STAGED_PER_PERSON = 100
        waiting(offset=60), waiting(offset=38)
        return 429, "too_much_unfinished", "60"
    settings.UPLOAD_DAILY_PER_PERSON = 2
    waiting(), waiting()
    return 429, "too_many_uploads", "3600"


@pytest.mark.parametrize("what", ["unfinished", "staged", "daily"])
def test_one_more_than_a_person_may_have_is_told_at_the_door_and_within(what, ask, uploads, grant_token, settings, monkeypatch):  # noqa: F811
    status, code, retry_after = some_of(what, settings, monkeypatch)
    rows = Upload.objects.count()
    assert ask(token=grant_token())[1] == code
    for method, meta in (("PUT", {}), ("POST", TUS | {"HTTP_UPLOAD_LENGTH": "7"})):
        body = b"content" if method == "PUT" else b""
        answer = uploads(method, "/u", token=grant_token(), body=body, **meta)
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) in (
            (status, code, retry_after),
            (423, code, retry_after),  # to a client of tus
        )
    assert Upload.objects.count() == rows
    assert uploads("PUT", "/u", token=grant_token(sub="u_other"), body=b"content").status_code == 201


HERE = {"max_unfinished": ("too_many_unfinished_here", 2), "max_staged": ("too_much_unfinished_here", 100)}


@pytest.mark.parametrize("claim", HERE)
def test_a_collection_may_have_bounds_of_its_own_for_each_person(claim, ask, uploads, grant_token):  # noqa: F811
    code, most = HERE[claim]
    waiting(offset=60), waiting(offset=38, collection="elsewhere")
    assert uploads("PUT", "/u", token=grant_token(**{claim: most}), body=b"content").status_code == 201, "what lies elsewhere is no matter"
    waiting(offset=38)
    token = grant_token(**{claim: most})
    assert ask(token=token)[1] == code
    refused = uploads("POST", "/u", token=token, HTTP_UPLOAD_LENGTH="7", **TUS)
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (423, code, "60")
    assert uploads("PUT", "/u", token=grant_token(sub="u_other", **{claim: most}), body=b"content").status_code == 201
    assert uploads("PUT", "/u", token=grant_token(), body=b"content").status_code == 201
    if claim == "max_staged":
        upload = Upload.objects.get(offset=60)
        token = grant_token(jti=str(upload.grant_id), max_staged=100)
        assert ask("PATCH", f"/{upload.id}", length="2", token=token)[1] is None
        assert ask("PATCH", f"/{upload.id}", length="3", token=token)[1] == code


def test_who_begins_anew_under_the_same_grant_has_not_one_more(uploads, grant_token, settings):
    settings.UPLOAD_UNFINISHED_PER_PERSON = 1
    upload = waiting(offset=4)
    assert uploads("PUT", "/u", token=grant_token(jti=str(upload.grant_id)), body=b"content").status_code == 201


def test_the_day_is_one_of_utc_and_the_next_begins_at_nought(settings, monkeypatch):
    settings.UPLOAD_DAILY_PER_PERSON = 1
    waiting()
    today = Person.objects.get()
    Person.objects.update(day=today.day - timedelta(days=1))
    waiting(sub="u_42")
    assert (Person.objects.get().day, Person.objects.get().begun) == (today.day, 1)


def test_bytes_of_which_nobody_said_how_many_stop_at_the_persons_bound_and_keep_what_was_promised(
    uploads, grant_token, settings, monkeypatch
):
    monkeypatch.setattr(receive, "ROOM_EVERY", 1)
    upload = waiting(offset=0)
    made = uploads("POST", "/u", token=grant_token(jti=str(upload.grant_id)), body=b"first", HTTP_UPLOAD_COMPLETE="?0")
    upload = Upload.objects.get(offset=5)
    assert made.status_code == 201
    settings.UPLOAD_STAGED_PER_PERSON = 7
    more = {"HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_OFFSET": "5", "CONTENT_TYPE": "application/partial-upload"}
    token = grant_token(jti=str(upload.grant_id))
    refused = uploads("PATCH", f"/u/{upload.id}", token=token, body=b"more", **more)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_much_unfinished")
    assert (now_of(upload).state, now_of(upload).offset) == ("waiting", 5)
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=b"6", **more).status_code == 204


def test_an_append_beyond_the_persons_bound_is_told_at_the_door(ask, grant_token, settings):  # noqa: F811
    settings.UPLOAD_STAGED_PER_PERSON = 100
    waiting(offset=60)
    upload = waiting(offset=38)
    token = grant_token(jti=str(upload.grant_id))
    assert ask("PATCH", f"/{upload.id}", length="2", token=token)[1] is None
    assert ask("PATCH", f"/{upload.id}", length="3", token=token)[1] == "too_much_unfinished"


def test_under_one_token_so_many_are_begun_and_no_more_and_each_with_little_metadata(ask, uploads, grant_token, monkeypatch):  # noqa: F811
    monkeypatch.setattr(bounds, "TRIES", 1)
    token, said = grant_token(), TUS | {"HTTP_UPLOAD_LENGTH": "7"}
    most = "filename " + "QUFB" * ((bounds.METADATA - 9) // 4)
    for metadata, status in ((most + "QUFB", 400), (most, 201), ("", 201), ("", 201), ("", 403)):
        answer = uploads("POST", "/u", token=token, HTTP_UPLOAD_METADATA=metadata, **said)
        assert answer.status_code == status, answer.content
    assert answer.json()["code"] == ask("POST", token=token, **said)[1] == "too_many_tries"
    assert {upload.metadata for upload in Upload.objects.filter(state="aborted")} == {""}, "what has ended needs none"


def aged(upload, by):
    Upload.objects.filter(id=upload.id).update(lease_until=leases.now() - by)
    Grant.objects.filter(id=upload.grant_id).update(expires_at=leases.now() - by)


def test_what_has_ended_loses_its_name_first_then_its_row_and_then_its_grant_and_the_ledger_keeps_the_id(settings, capsys):
    fresh, older, oldest, alive = (waiting() for _ in range(4))
    for upload in (fresh, older, oldest):
        actions.abort(upload, "upload_cancelled")
    aged(older, prune.NAMES_FOR * 1.5)
    aged(oldest, timedelta(seconds=settings.UPLOAD_RETENTION + 60))
    call_command("recover")
    assert "pruned: names 2, uploads 1, grants 1" in capsys.readouterr().out
    assert [bool(each.safe_name) for each in Upload.objects.order_by("id")] == [True, False, True]
    assert not Upload.objects.filter(id=oldest.id).exists() and not Grant.objects.filter(id=oldest.grant_id).exists()
    assert Entry.objects.filter(upload_id=oldest.id).exists() and now_of(alive).state == "waiting"
    call_command("recover")
    assert "pruned" not in capsys.readouterr().out


def test_a_grant_is_told_in_pages(control, grant_token, monkeypatch):
    monkeypatch.setattr(render, "SHOWN", 3)
    claims = claims_object(max_uploads=8)
    ids = [str(begun(claims, announced(None), receiving=False).id) for _ in range(7)]
    told = control("GET", "/u", token=grant_token(jti=str(claims.jti))).json()
    assert ([one["upload_id"] for one in told["uploads"]], told["earlier"], told["state"]) == (ids[-3:], 4, "waiting")
    web_app = {"peer": Connection(WEB_APP), "token": INTERNAL_KEY}
    path, seen, after = f"/internal/v1/grants/{claims.jti}", [], ""
    while after is not None:
        page = control("GET", path + after, **web_app).json()
        seen += [one["upload_id"] for one in page["uploads"]]
        after = page["next"] and f"?after={page['next']}"
    assert seen == ids
    unknown = uuid7()
    batch = control("GET", f"/internal/v1/grants?ids={claims.jti},{unknown}", **web_app).json()["grants"]
    assert batch[unknown] is None and len(batch[str(claims.jti)]["uploads"]) == 5 and batch[str(claims.jti)]["next"] == ids[4]
    for bad in ("x", "", ",".join(uuid7() for _ in range(21))):
        assert control("GET", f"/internal/v1/grants?ids={bad}", **web_app).status_code == 400
