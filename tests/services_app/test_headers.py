"""What a sender says about its file: lengths and digests."""

import base64
import hashlib

import pytest

from services_app.uploads.actions import NewUpload
from services_app.uploads.errors import LengthRequired, RequestMalformed
from services_app.uploads.headers import body_length, digests, whole_digests, whole_number
from services_app.uploads.protocols import whole

DIGEST = hashlib.sha256(b"abc")
FIELD = f"sha-256=:{base64.b64encode(DIGEST.digest()).decode()}:"
OTHER = f"sha-256=:{base64.b64encode(hashlib.sha256(b'x').digest()).decode()}:"
DIGEST_512 = hashlib.sha512(b"abc")
FIELD_512 = f"sha-512=:{base64.b64encode(DIGEST_512.digest()).decode()}:"
FOUND = {"sha256": DIGEST.digest()}
FOUND_512 = {"sha512": DIGEST_512.digest()}


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


@pytest.mark.parametrize(
    "header",
    [
        FIELD,
        f"sha=:AAAA:, {FIELD}",
        f"{FIELD}, sha-384=:AAAA:",
        f"{OTHER}, {FIELD}",  # RFC 9651, section 4.2.2: the last one counts
        f"md5=:AAAA:,\t{FIELD}",
        f"{FIELD};a=1",
        f"  {FIELD}",
        FIELD.replace("=:", ":").replace("256:", "256=:"),  # RFC 9651, section 4.2.7: padding may be missing
        f'{FIELD};x="a,{OTHER},"',
        f'foo=:AAAA:;x="a\\",{OTHER},", {FIELD}',
        f'foo=%"a,{OTHER},", {FIELD};y',
        f'foo=("{OTHER}" 1;a=2 ?0), bar, {FIELD}',
    ],
)
def test_a_sha_256_is_found_wherever_it_stands(header):
    assert digests(header) == FOUND


def test_a_sha_512_is_found_too_beside_a_sha_256_or_alone():
    assert digests(FIELD_512) == FOUND_512
    assert digests(f"{FIELD}, {FIELD_512}") == digests(f"{FIELD_512},{FIELD}") == FOUND | FOUND_512


@pytest.mark.parametrize("header", ["", "sha=:AAAA:", "md5=:AAAA:, sha-384=:AAAA:", "x-sha-256=:AAAA:", "unixsum=1"])
def test_a_field_without_a_sha_256_or_sha_512_announces_nothing(header):
    assert digests(header) == {}


@pytest.mark.parametrize(
    "header",
    [
        f"sha-256={DIGEST.hexdigest()}",  # hex, and no colons
        f"sha-256=:{DIGEST.hexdigest()}:",  # hex in colons: 48 bytes in base64
        f"sha-256={base64.b64encode(DIGEST.digest()).decode()}",
        f"sha-256=:{'_' * 43}=:",  # the other alphabet
        f"SHA-256={base64.b64encode(DIGEST.digest()).decode()}",  # RFC 3230
        f"sha-256 = :{base64.b64encode(DIGEST.digest()).decode()}:",
        f"sha-256=:{base64.b64encode(DIGEST.digest()).decode()}=:",
        "sha-256=::",
        "sha-256=:AAAA:",
        "sha-256=:!!!!:",
        "sha-256",
        "sha-256=",
        "sha-256=?1",
        FIELD[:-1],
        f"{FIELD},",
        f",{FIELD}",
        f"!, {FIELD}",
        f"{FIELD} {OTHER}",
        f"sha-256=({FIELD.partition('=')[2]})",
        "xx yy",
        f"{FIELD}x",
        "sha-512=:AAAA:",
        f"{FIELD}, sha-512",
        FIELD.replace("256", "512"),
        FIELD_512.replace("512", "256"),
    ],
)
def test_a_digest_that_is_none_is_malformed_and_never_passed_over(header):
    # Who names a digest relies on its being compared.
    with pytest.raises(RequestMalformed):
        digests(header)


def test_either_digest_field_counts():
    for name in ("HTTP_REPR_DIGEST", "HTTP_CONTENT_DIGEST"):
        assert whole_digests({name: FIELD}) == FOUND


def test_a_digest_field_of_another_algorithm_does_not_hide_the_other_field():
    meta = {"CONTENT_LENGTH": "3", "HTTP_REPR_DIGEST": FIELD_512, "HTTP_CONTENT_DIGEST": FIELD}
    assert whole_digests(meta) == FOUND | FOUND_512


def test_two_digest_fields_must_agree():
    meta = {"CONTENT_LENGTH": "3", "HTTP_REPR_DIGEST": FIELD, "HTTP_CONTENT_DIGEST": FIELD}
    assert whole_digests(meta) == FOUND
    with pytest.raises(RequestMalformed):
        whole_digests(meta | {"HTTP_CONTENT_DIGEST": OTHER})


def test_a_put_announces_length_digest_and_name():
    meta = {
        "CONTENT_LENGTH": "3",
        "HTTP_REPR_DIGEST": FIELD,
        "HTTP_CONTENT_DISPOSITION": 'attachment; filename="a.zip"',
        "CONTENT_TYPE": "text/html; boundary=x",
    }
    assert whole.new_upload(meta) == NewUpload("whole", 3, "a.zip", tuple(FOUND.items()))
