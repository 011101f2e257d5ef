"""`POST /u/check`: the very answer that a PUT would get, from its first bytes and its length."""

import io

import pytest

from services_app.uploads.content import media
from services_app.uploads.models import Grant, Upload
from tests.services_app.making import NGINX, Connection, a_zip, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = a_zip()


@pytest.fixture
def check(control):
    def check(body=ZIP, length="1000000", **more):
        answer = control("POST", "/u/check", body=body, HTTP_UPLOAD_LENGTH=length, **more)
        return answer.status_code, answer.json()["code"] if answer.content else None

    return check


def test_what_would_be_taken_gets_204_and_uses_nothing_up(check, grant_token, nas):
    assert check(token=grant_token(media_types=["application/zip"])) == (204, None)
    assert not Grant.objects.exists() and not Upload.objects.exists() and stored_files(nas) == []


@pytest.mark.parametrize(
    ("status", "code", "claims", "asked"),
    [
        (415, "type_refused", {"media_types": ["image/*"]}, {}),
        (413, "too_large", {"max_size": 5}, {}),
        (422, "length_differs", {"length": 5}, {}),
        (403, "collection_unknown", {"collection": "other"}, {}),
        (401, "token_start_by", {"start_by": 5}, {}),
        (400, "request_malformed", {}, {"length": ""}),
        (400, "request_malformed", {}, {"length": "x"}),
        (400, "request_malformed", {}, {"body": b"x" * (media.SNIFF_BYTES + 1)}),
        (400, "body_cut_off", {}, {"CONTENT_LENGTH": str(len(ZIP) + 1)}),
        (411, "length_required", {}, {"CONTENT_LENGTH": ""}),
    ],
)
def test_what_would_be_refused_gets_the_same_problem(check, grant_token, status, code, claims, asked):
    assert check(token=grant_token(**claims), **asked) == (status, code)


def test_what_it_would_be_taken_for_is_told_with_the_refusal(control, grant_token, caplog):
    token = grant_token(media_types=["image/*"])
    answer = control("POST", "/u/check", token=token, body=b"PATIENT,AGE\nP1,40\n", HTTP_UPLOAD_LENGTH="19")
    assert (answer.status_code, answer.json()["detected"]) == (415, "text/csv")
    assert [record.media_type for record in caplog.records if record.message == "type refused"] == ["text/csv"]


def test_an_empty_file_can_be_asked_about(check, grant_token):
    assert check(body=b"", length="0", token=grant_token(), CONTENT_LENGTH="0") == (204, None)


def test_as_much_as_a_put_looks_at_may_be_sent(check, grant_token):
    assert check(body=ZIP + bytes(media.SNIFF_BYTES - len(ZIP)), token=grant_token()) == (204, None)


def test_a_sender_that_dawdles_does_not_hold_the_control_listener(control, grant_token):
    connection = Connection(NGINX)
    control("POST", "/u/check", token=grant_token(), body=ZIP, HTTP_UPLOAD_LENGTH="5", peer=connection)
    assert 0 < connection.timeouts[0] <= 15


def test_a_sender_that_falls_silent_is_too_slow(control, grant_token):
    class Silent(io.BytesIO):
        def read(self, size=-1):
            raise TimeoutError

    answer = control(
        "POST", "/u/check", token=grant_token(), HTTP_UPLOAD_LENGTH="5", CONTENT_LENGTH="5", **{"wsgi.input": Silent()}
    )
    assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_there_is_post_and_nothing_else(control, grant_token, method):
    answer = control(method, "/u/check", token=grant_token())
    assert answer.status_code == 405 and answer["Allow"] == "POST"
