"""What may be stored at all, by collection and by person: counted before it is promised, given back on every end (ADR 0041)."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from services_app.store.nas import LocalFileSystemStorage
from services_app.uploads import quotas, revoke
from services_app.uploads.content import receive
from services_app.uploads.models import Stored, Upload
from services_app.uploads.ownership import leases
from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    NGINX,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    begun,
    claims_object,
    now_of,
    uuid7,
)
from tests.services_app.test_authorize import ask  # noqa: F401  the fixture

pytestmark = pytest.mark.usefixtures("known_store")
db = pytest.mark.django_db

TUS = {"HTTP_TUS_RESUMABLE": "1.0.0"}
MORE = TUS | {"CONTENT_TYPE": "application/offset+octet-stream"}
IETF = {"HTTP_UPLOAD_COMPLETE": "?0", "CONTENT_TYPE": "application/partial-upload"}
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
WEB = {"peer": Connection(WEB_APP), "token": INTERNAL_KEY}
BODY = b"x" * 30


def quota(of="collection", **units):
    return {"quotas": {of: units or {"bytes": 100}}}


def used(collection=COLLECTION, sub=None):
    return tuple(quotas.used(collection, sub))


def is_told(answer, of, unit, limit, left):
    assert (answer.status_code, answer.json()["code"]) == (507, "quota_exceeded"), answer.content
    assert [answer.json()[name] for name in ("quota", "unit", "limit", "left")] == [of, unit, limit, left]
    assert "Retry-After" not in answer


# Who else stores 30 bytes before, and whether the quota of the one who comes counts that.
COUNTED = [
    ("collection", {"sub": "u_other"}, True),
    ("collection", {"collection": "elsewhere"}, False),
    ("person", {"collection": "elsewhere"}, True),
    ("person", {"sub": "u_other"}, False),
    ("person_here", {}, True),
    ("person_here", {"sub": "u_other"}, False),
    ("person_here", {"collection": "elsewhere"}, False),
]


@db
@pytest.mark.parametrize(("of", "other", "counts"), COUNTED)
@pytest.mark.parametrize(("units", "unit"), [({"bytes": 50}, "bytes"), ({"objects": 1}, "objects")])
def test_each_quota_counts_what_is_its_own_and_says_which_it_is_and_what_is_left(
    of, other, counts, units, unit, ask, uploads, control, grant_token, known_store  # noqa: F811
):
    known_store.add_collection("elsewhere")
    assert uploads("PUT", "/u", token=grant_token(jti=uuid7(), **other), body=BODY).status_code == 201
    token, rows = grant_token(jti=uuid7(), **quota(of, **units)), Upload.objects.count()
    begin = TUS | {"HTTP_UPLOAD_LENGTH": "30"}
    if not counts:
        assert ask("POST", token=token, **begin)[1] is None
        assert uploads("PUT", "/u", token=token, body=BODY).status_code == 201
        return
    left = 20 if unit == "bytes" else 0
    assert ask("POST", token=token, **begin)[1] == "quota_exceeded"
    answers = [
        uploads("PUT", "/u", token=token, body=BODY),
        uploads("POST", "/u", token=token, **begin),
        uploads("POST", "/u", token=token, body=BODY, HTTP_UPLOAD_COMPLETE="?1"),
        control("POST", "/u/check", token=token, body=b"x", HTTP_UPLOAD_LENGTH="30"),
    ]
    for answer in answers:
        is_told(answer, of, unit, units[unit], left)
    assert Upload.objects.count() == rows
    told = control("GET", "/u", token=token).json()["quotas"]
    assert told == [{"quota": of, "unit": unit, "limit": units[unit], "left": left}]
    assert control("GET", "/u", token=grant_token()).json().get("quotas") is None, "a token without one is as it was"


@db
def test_nginx_is_told_which_quota_it_is(control, grant_token):
    begun(claims_object(jti=uuid7()), announced(80))
    asked = {"HTTP_X_UPLOAD_METHOD": "POST", "HTTP_X_UPLOAD_PATH": "/", "HTTP_UPLOAD_LENGTH": "30", "HTTP_TUS_RESUMABLE": "1.0.0"}
    answer = control("GET", "/authorize", token=grant_token(jti=uuid7(), **quota()), **asked)
    assert (answer["X-Upload-Verdict"], answer["X-Upload-Quota"]) == ("quota_exceeded", "collection bytes 100 20")


def cancelled(upload, **how):
    token = how["grant_token"](jti=str(upload.grant_id))
    assert how["control"]("DELETE", f"/u/{upload.id}", token=token, **TUS).status_code == 204


def expired(upload, **how):
    Upload.objects.filter(id=upload.id).update(expires_at=leases.now(), lease_uptime=0)
    how["settings"].UPLOAD_EXPIRY = 1
    call_command("recover")


def revoked(upload, **how):
    revoke.take_back(upload.grant_id)


def refused(upload, **how):
    token = how["grant_token"](jti=str(upload.grant_id), media_types=["image/png"])
    answer = how["uploads"]("PATCH", f"/u/{upload.id}", token=token, body=a_zip()[:80].ljust(80), HTTP_UPLOAD_OFFSET="0", **MORE)
    assert answer.status_code == 415, answer.content


def begun_anew(upload, **how):
    token = how["grant_token"](jti=str(upload.grant_id), **quota())
    assert how["uploads"]("PUT", "/u", token=token, body=BODY).status_code == 201, "what gives way makes room"


@db
@pytest.mark.parametrize("end", [cancelled, expired, revoked, refused, begun_anew])
def test_what_was_reserved_is_given_back_on_every_end(end, control, uploads, grant_token, settings):
    upload = begun(claims_object(jti=uuid7()), announced(80, protocol="tus"), receiving=False)
    assert used() == (1, 80), "an announced length counts before its first byte"
    token = grant_token(jti=uuid7(), **quota())
    is_told(uploads("PUT", "/u", token=token, body=BODY), "collection", "bytes", 100, 20)
    end(upload, control=control, uploads=uploads, grant_token=grant_token, settings=settings)
    assert now_of(upload).state == "aborted"
    assert used() == ((1, 30) if end is begun_anew else (0, 0))
    assert uploads("PUT", "/u", token=token, body=BODY).status_code == 201


@db
def test_what_is_stored_counts_until_it_is_deleted(control, uploads, grant_token):
    stored = uploads("PUT", "/u", token=grant_token(jti=uuid7()), body=BODY)
    upload = Upload.objects.get(id=stored["Location"].rpartition("/")[2])
    assert used() == used(None, "u_42") == used(COLLECTION, "u_42") == (1, 30)
    assert control("DELETE", f"/internal/v1/objects/{upload.id}", **WEB).status_code == 204
    assert used() == (0, 0) and Stored.objects.get().objects_stored == 0


@db
def test_bytes_of_which_nobody_said_how_many_stop_at_the_quota_and_keep_what_was_promised(uploads, grant_token, monkeypatch):
    monkeypatch.setattr(receive, "ROOM_EVERY", 1)
    token = grant_token(jti=uuid7(), **quota(bytes=7))
    made = uploads("POST", "/u", token=token, body=b"first", HTTP_UPLOAD_COMPLETE="?0")
    upload = Upload.objects.get(offset=5)
    assert made.status_code == 201 and used() == (1, 5)
    more = IETF | {"HTTP_UPLOAD_OFFSET": "5"}
    for framing in ({}, CHUNKED):
        is_told(uploads("PATCH", f"/u/{upload.id}", token=token, body=b"more", **more | framing), "collection", "bytes", 7, 2)
        assert (now_of(upload).state, now_of(upload).offset) == ("waiting", 5)
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=b"6", **more).status_code == 204
    assert uploads("PUT", "/u", token=grant_token(jti=uuid7(), **quota(bytes=7)), body=BODY, **CHUNKED).status_code == 507
    assert used() == (1, 6), "of what began with that request nothing stays"


@db
def test_a_length_that_is_learnt_later_is_counted_before_it_is_promised(uploads, grant_token):
    token = grant_token(jti=uuid7(), **quota())
    made = uploads("POST", "/u", token=token, HTTP_UPLOAD_DEFER_LENGTH="1", **TUS)
    begun(claims_object(jti=uuid7()), announced(60))
    asked = MORE | {"HTTP_UPLOAD_OFFSET": "0"}
    answer = uploads("PATCH", made["Location"], token=token, body=b"x", HTTP_UPLOAD_LENGTH="41", **asked)
    is_told(answer, "collection", "bytes", 100, 40)
    assert uploads("PATCH", made["Location"], token=token, body=b"x", HTTP_UPLOAD_LENGTH="40", **asked).status_code == 204
    assert used() == (2, 100)


@db
def test_an_upload_that_was_promised_its_room_goes_on_though_the_quota_was_lowered(uploads, grant_token):
    jti = uuid7()
    made = uploads("POST", "/u", token=grant_token(jti=jti, **quota()), HTTP_UPLOAD_LENGTH="30", **TUS)
    lowered = grant_token(jti=jti, **quota(bytes=1))
    assert uploads("PATCH", made["Location"], token=lowered, body=BODY, HTTP_UPLOAD_OFFSET="0", **MORE).status_code == 204
    assert used() == (1, 30)


@db
def test_parts_count_once_with_what_they_become(uploads, grant_token):
    token = grant_token(jti=uuid7(), **quota(bytes=60, objects=1))
    part = TUS | {"HTTP_UPLOAD_CONCAT": "partial", "HTTP_UPLOAD_LENGTH": "30", "CONTENT_TYPE": "application/offset+octet-stream"}
    made = [uploads("POST", "/u", token=token, body=BODY, **part) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201] and used() == (0, 60), "they are no objects"
    final = "final;" + " ".join(answer["Location"] for answer in made)
    assert uploads("POST", "/u", token=token, HTTP_UPLOAD_CONCAT=final, **TUS).status_code == 201
    assert used() == (1, 60)


@db
def test_rows_that_were_counted_by_nobody_are_counted_by_reconcile(uploads, grant_token, capsys):
    uploads("PUT", "/u", token=grant_token(jti=uuid7()), body=BODY)
    Stored.objects.update(objects_stored=7)
    Stored.objects.create(collection="gone", sub="u_9", objects_stored=1, bytes_stored=1)
    call_command("reconcile_store")
    assert "counts" in capsys.readouterr().out
    assert used() == (1, 30) and used("gone") == (0, 0)
    call_command("reconcile_store")
    assert "counts" not in capsys.readouterr().out


@db
def test_web_app_is_told_what_is_used(control, uploads, grant_token):
    uploads("PUT", "/u", token=grant_token(jti=uuid7()), body=BODY)
    begun(claims_object(jti=uuid7(), sub="u_other"), announced(12))
    told = control("GET", f"/internal/v1/usage?collection={COLLECTION}&collection=none&sub=u_42", **WEB).json()
    assert told == {
        "person": {"objects": 1, "bytes": 30},
        "collections": {
            COLLECTION: {"collection": {"objects": 2, "bytes": 42}, "person_here": {"objects": 1, "bytes": 30}},
            "none": {"collection": {"objects": 0, "bytes": 0}, "person_here": {"objects": 0, "bytes": 0}},
        },
    }
    told = control("GET", f"/internal/v1/usage?collection={COLLECTION}", **WEB).json()
    assert told == {"person": None, "collections": {COLLECTION: {"collection": {"objects": 2, "bytes": 42}}}}
    for bad in ("sub=", "sub=u_42&collection=A", "sub=u_42" + "&collection=a" * 51):
        assert control("GET", f"/internal/v1/usage?{bad}", **WEB).status_code == 400, bad
    assert control("GET", "/internal/v1/usage?sub=u_42", peer=Connection(NGINX), token=INTERNAL_KEY).status_code == 403


# How forty begin at the same moment, three of which fit.
AT_ONCE = [
    ("known", "PUT", "/u", {}, BODY),
    ("unknown", "PUT", "/u", CHUNKED, BODY),
    ("announced", "POST", "/u", TUS | {"HTTP_UPLOAD_LENGTH": "30"}, b""),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "path", "meta", "body"), [each[1:] for each in AT_ONCE], ids=[each[0] for each in AT_ONCE])
@pytest.mark.parametrize("of", ["collection", "person", "person_here"])
@pytest.mark.parametrize("units", [{"bytes": 100}, {"objects": 3}], ids=["bytes", "objects"])
def test_forty_at_once_never_pass_a_quota_together(of, units, method, path, meta, body, grant_token, settings):
    settings.ROOT_URLCONF = "services_app.config.urls_uploads"
    settings.LISTENER, settings.UPLOAD_MAX_CONCURRENT, settings.QUESTIONS_PER_PERSON = "uploads", 1000, 0
    # Of the collection each has another person, who take no turns with each other.
    tokens = [grant_token(jti=uuid7(), **quota(of, **units), **({"sub": f"u_{n}"} if of == "collection" else {})) for n in range(40)]

    def one(token):
        answer = "database_unavailable"
        try:
            while answer in ("database_unavailable", "store_unavailable", "busy", "share_taken"):  # each says: come again
                extra = {"gunicorn.socket": Connection(NGINX), "wsgi.input": io.BytesIO(body), "HTTP_AUTHORIZATION": f"Bearer {token}"}
                said = Client().generic(method, path, **extra | {"CONTENT_LENGTH": str(len(body))} | meta)
                answer = said.json()["code"] if said.status_code >= 400 else "taken"
            return answer
        finally:
            connection.close()

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(one, tokens))
    assert set(answers) == {"taken", "quota_exceeded"}
    objects, size = used() if of == "collection" else used(None, "u_42")
    assert objects == answers.count("taken") and size == 30 * objects
    if "CONTENT_LENGTH" in meta and "bytes" in units:
        assert 1 <= objects <= 3, "of unknown number each speaks for more than it may need, and fewer are let in"
    else:
        assert objects == 3


@db
def test_the_other_bounds_are_told_in_numbers_too(control, uploads, grant_token, monkeypatch):
    def told(status, **claims):
        answers = [
            uploads("PUT", "/u", token=grant_token(jti=uuid7(), **claims), body=BODY),
            uploads("PUT", "/u", token=grant_token(jti=uuid7(), **claims), body=BODY, **CHUNKED),
            control("POST", "/u/check", token=grant_token(jti=uuid7(), **claims), body=b"x", HTTP_UPLOAD_LENGTH="30"),
        ]
        assert {answer.status_code for answer in answers} == {status}
        return [{name: answer.json().get(name) for name in ("limit", "left")} for answer in answers]

    assert told(413, max_size=29) == [{"limit": 29, "left": None}] * 3
    monkeypatch.setattr(LocalFileSystemStorage, "free_bytes", lambda _: settings.UPLOAD_SPACE_RESERVE + 20)
    refused = uploads("PUT", "/u", token=grant_token(jti=uuid7()), body=BODY)
    assert (refused.status_code, refused.json()["code"], refused.json()["left"]) == (507, "no_space", 20)
    asked = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": "30"}
    assert control("GET", "/authorize", token=grant_token(jti=uuid7()), **asked)["X-Upload-Left"] == "20"
