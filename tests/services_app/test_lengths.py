"""How long the whole is, in whichever words and with whichever verb it is said: what contradicts is refused, and costs nothing."""

import pytest

from services_app.uploads.models import Upload
from tests.services_app.making import a_zip, now_of
from tests.services_app.test_resume import TUS, ietf

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = a_zip(b"as long as it is")
SIZE, FIRST = len(ZIP), 50
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}


@pytest.fixture
def begin(uploads, grant_token):
    """A function: (token, an upload that stands at FIRST of SIZE, or of a length that is not known yet)"""

    def begin(length, **fields):
        token = grant_token()
        said = {"HTTP_UPLOAD_DEFER_LENGTH": "1"} if length is None else {"HTTP_UPLOAD_LENGTH": str(length)}
        assert uploads("POST", "/u", token=token, body=ZIP[:FIRST], **TUS, **said, **fields).status_code == 201
        return token, Upload.objects.latest("id")

    return begin


@pytest.mark.parametrize("totals", ["9999", f"{SIZE} 9999", "?"])
@pytest.mark.parametrize(
    ("length", "fields"),
    [
        (SIZE, TUS),
        (SIZE, TUS | CHUNKED),
        (None, TUS | {"HTTP_UPLOAD_LENGTH": str(SIZE)}),
        (SIZE, ietf(True)),
        (None, ietf(True)),
        (None, ietf(True) | CHUNKED | {"HTTP_UPLOAD_LENGTH": str(SIZE)}),
        (None, ietf(False) | {"HTTP_UPLOAD_LENGTH": str(SIZE)}),
    ],
    ids=str,
)
def test_an_append_that_names_another_length_is_refused(begin, uploads, length, fields, totals):
    token, upload = begin(length)
    fields = {"HTTP_UPLOAD_OFFSET": str(FIRST), **fields}
    refused = uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[FIRST:], **fields, HTTP_X_UPLOAD_TOTALS=totals)
    code = "request_malformed" if totals == "?" else "inconsistent_length"
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert (now_of(upload).state, now_of(upload).offset) == ("waiting", FIRST)
    taken = uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[FIRST:], **fields, HTTP_X_UPLOAD_TOTALS=str(SIZE))
    assert taken.status_code in (201, 204)


def test_a_last_append_of_unknown_length_must_reach_the_length_that_it_names(begin, uploads):
    token, upload = begin(None)
    fields = ietf(True) | CHUNKED | {"HTTP_UPLOAD_OFFSET": str(FIRST), "HTTP_X_UPLOAD_TOTALS": str(SIZE + 1)}
    refused = uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[FIRST:], **fields)
    assert (refused.status_code, refused.json()["code"]) == (400, "inconsistent_length")
    assert now_of(upload).state == "waiting"


def test_the_last_append_once_more_is_compared_as_well(begin, uploads):
    token, upload = begin(SIZE)
    fields = TUS | {"HTTP_UPLOAD_OFFSET": str(FIRST)}
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[FIRST:], **fields).status_code == 204
    fields |= {"HTTP_UPLOAD_OFFSET": str(SIZE), "HTTP_X_UPLOAD_TOTALS": "9999"}
    assert uploads("PATCH", f"/u/{upload.id}", token=token, body=b"", **fields).json()["code"] == "inconsistent_length"


def test_a_part_has_a_length_of_its_own(begin, uploads):
    token, part = begin(SIZE, HTTP_UPLOAD_CONCAT="partial")
    fields = TUS | {"HTTP_UPLOAD_OFFSET": str(FIRST), "HTTP_X_UPLOAD_TOTALS": "9999"}
    assert uploads("PATCH", f"/u/{part.id}", token=token, body=ZIP[FIRST:], **fields).status_code == 204


@pytest.mark.parametrize("totals", ["9999", str(FIRST - 1), "?"])
def test_a_concatenation_is_as_long_as_it_says(begin, uploads, totals):
    token, part = begin(FIRST, HTTP_UPLOAD_CONCAT="partial")
    final = {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_CONCAT": f"final;/u/{part.id}"}
    refused = uploads("POST", "/u", token=token, **final, HTTP_X_UPLOAD_TOTALS=totals)
    code = "request_malformed" if totals == "?" else "inconsistent_length"
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert uploads("POST", "/u", token=token, **final, HTTP_X_UPLOAD_TOTALS=str(FIRST)).status_code == 201


@pytest.mark.parametrize("said", [{"HTTP_UPLOAD_LENGTH": "7"}, {"HTTP_X_UPLOAD_TOTALS": "7"}, {"HTTP_X_UPLOAD_TOTALS": f"{SIZE} 7"}])
def test_of_a_chunked_body_two_lengths_contradict_each_other_and_not_the_body(uploads, grant_token, said):
    said = {"HTTP_UPLOAD_LENGTH": str(SIZE), **said}
    said |= {} if "HTTP_X_UPLOAD_TOTALS" in said else {"HTTP_X_UPLOAD_TOTALS": str(SIZE)}
    refused = uploads("PUT", "/u", token=grant_token(), body=ZIP, **said, **CHUNKED)
    assert (refused.status_code, refused.json()["code"]) == (400, "inconsistent_length")


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_what_is_to_replace_a_version_that_it_names_is_refused(uploads, control, grant_token, method):
    """Nothing here is ever replaced (RFC 9110, 13.1.1)."""
    token, said = grant_token(), {"HTTP_X_UPLOAD_BODY": "unmatched"}
    asked = {"HTTP_X_UPLOAD_METHOD": method, "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": str(SIZE)}
    assert control("GET", "/authorize", token=token, **asked, **said)["X-Upload-Verdict"] == "precondition_failed"
    refused = uploads(method, "/u", token=token, body=ZIP, **said)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert not Upload.objects.exists()


def test_a_post_of_no_protocol_is_told_what_works(uploads, grant_token):
    refused = uploads("POST", "/u", token=grant_token(), body=ZIP)
    assert (refused.status_code, refused.json()["code"]) == (400, "request_malformed")
    assert "curl -T FILE URL" in refused.json()["detail"]


@pytest.mark.parametrize("counted", [{}, {"HTTP_X_UPLOAD_CODING": "chunked"}], ids=["chunked", "counted by nginx"])
def test_a_chunked_body_is_judged_as_it_was_sent_also_where_nginx_counted_it(uploads, grant_token, counted):
    framing = counted | {"CONTENT_LENGTH": str(SIZE)} if counted else CHUNKED
    for granted, said, told in (
        (SIZE + 1, {}, (422, "length_differs")),
        (SIZE - 1, {}, (422, "length_differs")),
        (None, {"HTTP_UPLOAD_LENGTH": str(SIZE + 1)}, (400, "inconsistent_length")),
        (None, {"HTTP_X_UPLOAD_TOTALS": f"{SIZE} 7"}, (400, "inconsistent_length")),
    ):
        token = grant_token(length=granted) if granted else grant_token()
        refused = uploads("PUT", "/u", token=token, body=ZIP, **framing, **said)
        assert (refused.status_code, refused.json()["code"]) == told, said
    assert uploads("PUT", "/u", token=grant_token(length=SIZE), body=ZIP, **framing).status_code == 201
