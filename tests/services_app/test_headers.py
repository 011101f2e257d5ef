"""What a sender says about its file: lengths and digests."""

import base64
import hashlib

import pytest

from services_app.uploads.actions import NewUpload
from services_app.uploads.errors import LengthRequired, RequestMalformed
from services_app.uploads.protocols import whole
from services_app.uploads.wire.digests import Check
from services_app.uploads.wire.headers import body_length, whole_number

DIGEST = hashlib.sha256(b"abc")
FIELD = f"sha-256=:{base64.b64encode(DIGEST.digest()).decode()}:"


@pytest.mark.parametrize(("value", "number"), [("0", 0), ("7", 7), ("0007", 7), ("9" * 19, int("9" * 19))])
def test_a_length_is_one_to_nineteen_digits(value, number):
    assert body_length(value, "") == whole_number(value) == number


@pytest.mark.parametrize(
    "value",
    ["-1", "+1", " 1", "1 ", "1.0", "1e3", "0x10", "1,1", "1_000", "９", "٣", "²", "9" * 20, "9" * 5000, "1\n", "a"],
)
def test_any_other_length_is_malformed(value):
    with pytest.raises(RequestMalformed):
        body_length(value, "")


def test_a_body_without_length_and_without_chunks_needs_a_length():
    with pytest.raises(LengthRequired):
        body_length("", "")


@pytest.mark.parametrize("coding", ["chunked", "Chunked", " chunked "])
def test_a_chunked_body_has_no_length_yet(coding):
    assert body_length("", coding) is None


@pytest.mark.parametrize(
    ("length", "coding"),
    [("5", "chunked"), ("0", "chunked"), ("", "gzip"), ("", "gzip, chunked"), ("", "chunked, chunked"), ("", "identity"),
     ("5", "identity"), ("", "chunked;q=1"), ("", "\x0bchunked")],
)  # fmt: skip
def test_two_framings_or_another_coding_are_malformed(length, coding):
    with pytest.raises(RequestMalformed):
        body_length(length, coding)


def test_a_put_announces_length_digest_and_name():
    meta = {
        "CONTENT_LENGTH": "3",
        "HTTP_REPR_DIGEST": FIELD,
        "HTTP_CONTENT_DISPOSITION": 'attachment; filename="a.zip"',
        "CONTENT_TYPE": "text/html; boundary=x",
    }
    named = (Check("Repr-Digest", "sha-256", "sha256", DIGEST.digest()),)
    assert whole.new_upload(meta, whole.asked(meta)) == NewUpload("whole", 3, "a.zip", named)
