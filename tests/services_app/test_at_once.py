"""What one person's requests pass when they all come at the same moment."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.db.models import Sum
from django.test import Client

from services_app.store.current import _store
from services_app.uploads.models import Upload
from tests.services_app.making import NGINX, Connection, uuid7

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("known_store")]

TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
IETF = {"HTTP_UPLOAD_COMPLETE": "?0", "CONTENT_TYPE": "application/partial-upload"}
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
BODY = b"x" * 30


@pytest.fixture
def forty(settings):
    """A function: forty requests at once, each of (method, path, token, body, meta); what each was told."""
    settings.ROOT_URLCONF = "services_app.config.urls_uploads"
    settings.LISTENER, settings.UPLOAD_MAX_CONCURRENT, settings.QUESTIONS_PER_PERSON = "uploads", 1000, 0
    _store.cache_clear()  # known_store's is the control listener's, with its bulkhead
    settings.UPLOAD_STAGED_PER_PERSON = 100

    def one(asked):
        method, path, token, body, meta = asked
        answer = "database_unavailable"
        try:
            while answer == "database_unavailable":  # more at once than it has connections: told to come again
                extra = {"gunicorn.socket": Connection(NGINX), "wsgi.input": io.BytesIO(body), "HTTP_AUTHORIZATION": f"Bearer {token}"}
                said = Client().generic(method, path, **extra | {"CONTENT_LENGTH": str(len(body))} | meta)
                answer = said.json()["code"] if said.status_code >= 400 else said["Location"] if "Location" in said else "taken"
            return answer
        finally:
            connection.close()

    def at_once(asked):
        with ThreadPoolExecutor(40) as pool:
            return list(pool.map(one, asked))

    return at_once


def held():
    return Upload.objects.exclude(state="aborted").aggregate(staged=Sum("offset"))["staged"]


def assert_bounded(answers, *, is_known):
    """Three fit; of unknown number fewer may be let in at the same moment, since each speaks for more than it may need."""
    refused = answers.count("too_much_unfinished")
    assert set(answers) - {"taken", "too_much_unfinished"} == {one for one in answers if one.startswith("/u/")}, set(answers)
    assert held() == 30 * (40 - refused), answers
    assert refused == 37 if is_known else 37 <= refused < 40, answers


@pytest.mark.parametrize("framing", [{}, CHUNKED], ids=["length", "chunked"])
def test_no_more_bytes_are_staged_than_a_person_may_have_however_many_begin_at_once(forty, grant_token, framing):
    answers = forty([("POST", "/u", grant_token(jti=uuid7()), BODY, IETF | framing) for _ in range(40)])
    assert_bounded(answers, is_known=framing == {})


@pytest.mark.parametrize(
    ("begins", "appends"),
    [
        (TUS | {"HTTP_UPLOAD_LENGTH": "1000"}, TUS | {"HTTP_UPLOAD_OFFSET": "0"}),
        (TUS | {"HTTP_UPLOAD_DEFER_LENGTH": "1"}, TUS | CHUNKED | {"HTTP_UPLOAD_OFFSET": "0"}),
        (IETF, IETF | {"HTTP_UPLOAD_OFFSET": "0"}),
        (IETF, IETF | CHUNKED | {"HTTP_UPLOAD_OFFSET": "0"}),
    ],
    ids=["tus", "tus chunked", "ietf", "ietf chunked"],
)
def test_nor_however_many_are_gone_on_with_at_once(forty, grant_token, settings, begins, appends):
    settings.UPLOAD_STAGED_PER_PERSON = 1 << 30
    tokens = [grant_token(jti=uuid7()) for _ in range(40)]
    paths = [forty([("POST", "/u", token, b"", begins)])[0] for token in tokens]  # one after the other: this is not what is tried
    settings.UPLOAD_STAGED_PER_PERSON = 100
    answers = forty([("PATCH", path, token, BODY, appends) for path, token in zip(paths, tokens, strict=True)])
    assert_bounded(answers, is_known="CONTENT_LENGTH" not in appends)


def test_parts_of_a_concatenation_hold_no_more_together_however_many_come_at_once(forty, grant_token, settings):
    settings.UPLOAD_STAGED_PER_PERSON = 0
    token = grant_token(jti=uuid7(), max_size=100)
    begins = TUS | {"HTTP_UPLOAD_CONCAT": "partial", "HTTP_UPLOAD_DEFER_LENGTH": "1"}
    paths = [forty([("POST", "/u", token, b"", begins)])[0] for _ in range(40)]
    answers = forty([("PATCH", path, token, BODY, TUS | {"HTTP_UPLOAD_OFFSET": "0"}) for path in paths])
    assert answers.count("taken") == 3, answers
    assert held() == 90
