"""What a sender asks to be compared is compared, or refused before a byte of the body; never passed over in silence."""

import base64
import hashlib
import zlib

import pytest

from services_app.uploads.errors import ChecksumUnsupported, DigestInvalid, RequestMalformed
from services_app.uploads.models import Upload
from services_app.uploads.wire import digests
from services_app.uploads.wire.digests import Brings, Over, asked
from tests.services_app.making import stored_files

BODY, OTHER = b"the content of a file", b"something else"


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def crc32(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(4, "big")


def field(content: bytes, algorithm: str = "sha-256") -> str:
    """RFC 9530."""
    return f"{algorithm}=:{b64(hashlib.new(algorithm.replace('-', ''), content).digest())}:"


def meta(**fields: str) -> dict[str, str]:
    return {f"HTTP_{name.upper()}": value for name, value in fields.items()}


# One line for each header and each way to write it.
COMPARED = [
    ("content_digest", field),
    ("content_digest", lambda c: field(c, "sha-512")),
    ("content_digest", lambda c: field(c, "md5")),
    ("content_digest", lambda c: f"sha=:{b64(hashlib.sha1(c).digest())}:"),
    ("content_digest", lambda c: f'sha-384;a="x, sha-256=:AAAA:",\t{field(c)}'),
    ("content_digest", lambda c: f"unixsum=:AAAA:, {field(c)};a=1, crc32c=:AAAA:"),
    ("repr_digest", field),
    ("repr_digest", lambda c: field(c, "md5")),
    ("unencoded_digest", field),
    ("digest", lambda c: f"SHA-256={b64(hashlib.sha256(c).digest())}"),
    ("digest", lambda c: f"unixsum=30637, md5={b64(hashlib.md5(c).digest())}"),
    ("digest", lambda c: f"id-sha-512={b64(hashlib.sha512(c).digest())}"),
    ("digest", lambda c: f"SHA={b64(hashlib.sha1(c).digest())}"),
    ("content_md5", lambda c: b64(hashlib.md5(c).digest())),
    ("upload_checksum", lambda c: f"sha1 {b64(hashlib.sha1(c).digest())}"),
    ("upload_checksum", lambda c: f"sha256 {b64(hashlib.sha256(c).digest())}"),
    ("x_amz_checksum_sha256", lambda c: b64(hashlib.sha256(c).digest())),
    ("x_amz_checksum_sha1", lambda c: b64(hashlib.sha1(c).digest())),
    ("x_amz_checksum_crc32", lambda c: b64(crc32(c))),
    ("x_amz_checksum_md5", lambda c: b64(hashlib.md5(c).digest())),
    ("x_amz_checksum_sha512", lambda c: b64(hashlib.sha512(c).digest())),
    ("x_amz_content_sha256", lambda c: hashlib.sha256(c).hexdigest()),
    ("x_goog_hash", lambda c: f"crc32c=AAAAAA==,md5={b64(hashlib.md5(c).digest())}"),
    ("x_ms_blob_content_md5", lambda c: b64(hashlib.md5(c).digest())),
    ("x_ms_content_md5", lambda c: b64(hashlib.md5(c).digest())),
    ("etag", lambda c: hashlib.md5(c).hexdigest()),
    ("etag", lambda c: f'"{hashlib.md5(c).hexdigest()}"'),
    ("x_bz_content_sha1", lambda c: hashlib.sha1(c).hexdigest()),
    ("oc_checksum", lambda c: f"SHA1:{hashlib.sha1(c).hexdigest()}"),
    ("oc_checksum", lambda c: f"SHA3-256:00 ADLER32:{zlib.adler32(c):08x}"),
    ("x_checksum_sha256", lambda c: hashlib.sha256(c).hexdigest().upper()),
    ("x_checksum_sha512", lambda c: hashlib.sha512(c).hexdigest()),
    ("x_checksum_sha1", lambda c: hashlib.sha1(c).hexdigest()),
    ("x_checksum_md5", lambda c: hashlib.md5(c).hexdigest()),
    ("x_content_sha256", lambda c: hashlib.sha256(c).hexdigest()),
    ("x_content_sha256", lambda c: b64(hashlib.sha256(c).digest())),
    *((f"x_{cloud}_content_sha256", lambda c: hashlib.sha256(c).hexdigest()) for cloud in ("goog", "bce", "oss", "obs", "tos")),
    ("x_obs_content_sha256", lambda c: b64(hashlib.sha256(c).digest())),
    ("x_cos_content_sha1", lambda c: hashlib.sha1(c).hexdigest()),
    ("x_nos_object_md5", lambda c: hashlib.md5(c).hexdigest()),
    ("opc_content_sha256", lambda c: b64(hashlib.sha256(c).digest())),
    *(("x_checksum", lambda c, name=name: hashlib.new(name, c).hexdigest()) for name in ("md5", "sha1", "sha256", "sha512")),
    ("x_content_sha512", lambda c: hashlib.sha512(c).hexdigest()),
    ("x_content_sha1", lambda c: b64(hashlib.sha1(c).digest())),
    ("x_content_md5", lambda c: b64(hashlib.md5(c).digest())),
    ("x_content_md5", lambda c: hashlib.md5(c).hexdigest()),
    ("content_sha256", lambda c: b64(hashlib.sha256(c).digest())),
    *((name, lambda c: hashlib.sha256(c).hexdigest()) for name in ("sha256", "x_sha_256", "checksum", "x_agile_checksum")),
    ("sha256", lambda c: hashlib.sha256(c).hexdigest().upper()),
]
UNSUPPORTED = [
    meta(content_digest="unixsum=:AAAA:"),
    meta(content_digest="sha-384=:AAAA:, foo, bar=(1 2)"),
    meta(repr_digest="crc32c=:AAAA:"),
    meta(digest="unixsum=30637"),
    meta(upload_checksum="crc32 AAAA"),
    meta(x_amz_checksum_crc32c="AAAAAA=="),
    meta(x_amz_checksum_crc64nvme="AAAAAAAAAAA="),
    meta(x_amz_checksum_xxhash64="AAAAAAAAAAA="),
    meta(x_amz_checksum_xxhash3="AAAAAAAAAAA="),
    meta(x_amz_checksum_xxhash128="AAAAAAAAAAAAAAAAAAAAAA=="),
    meta(x_amz_sha256_tree_hash=hashlib.sha256(BODY).hexdigest()),
    meta(x_amz_trailer="x-amz-checksum-crc32"),
    meta(x_amz_sdk_checksum_algorithm="CRC32"),
    meta(x_amz_content_sha256="STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    *(meta(**{f"x_{cloud}_content_sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}) for cloud in ("goog", "bce", "oss", "tos")),
    *(meta(**{f"x_{cloud}_hash_crc64ecma": "1234567890"}) for cloud in ("oss", "cos", "obs", "tos")),
    meta(x_kss_checksum_crc64ecma="1234567890"),
    meta(x_bce_content_crc32="1234567890"),
    meta(x_bce_content_crc32c="1234567890"),
    meta(opc_content_sha384="AAAA"),
    meta(x_emc_wschecksum="sha0/1037/6550"),
    meta(x_akamai_acs_action="version=1&action=upload&md5=0123456789abcdef0123456789abcdef"),
    meta(opc_content_crc32c="AAAAAA=="),
    meta(x_checksum="00"),
    meta(x_goog_hash="crc32c=AAAAAA=="),
    meta(x_ms_content_crc64="AAAAAAAAAAA="),
    meta(x_bz_content_sha1="hex_digits_at_end"),
    meta(oc_checksum="SHA3-256:00"),
    meta(trailer="Content-Digest"),
    meta(trailer="X-Other, upload-checksum"),
    meta(content_md5=b64(hashlib.md5(BODY).digest()), digest="unixsum=1"),  # each header counts by itself
    meta(patched_digest=field(BODY)),  # of no patch
]
MALFORMED = [
    meta(content_digest=f"sha-256={hashlib.sha256(BODY).hexdigest()}"),
    meta(content_digest=b64(hashlib.sha256(BODY).digest())),
    meta(content_digest=f"SHA-256={b64(hashlib.sha256(BODY).digest())}"),
    meta(content_digest=field(BODY)[:-1]),
    meta(content_digest="sha-256"),
    meta(content_digest=f"sha-256=({field(BODY).partition('=')[2]})"),
    meta(content_digest=f"{field(BODY)}, sha-512"),
    meta(content_digest="!"),
    meta(repr_digest=f"{field(BODY)},"),
    meta(digest=f"sha-256={hashlib.sha256(BODY).hexdigest()[:-1]}"),
    meta(digest="sha-256"),
    meta(content_md5="not base64"),
    meta(upload_checksum="sha1"),
    meta(x_amz_checksum_sha256="***"),
    meta(x_amz_content_sha256="xyz"),
    meta(x_checksum_sha1="0x00"),
    meta(x_checksum="z" * 40),
    meta(x_content_md5="not base64"),
    meta(oc_checksum="SHA1:zz"),
    meta(x_goog_hash="md5"),
    # two that contradict each other
    meta(content_digest=field(BODY), repr_digest=field(OTHER)),
    meta(content_digest=f"{field(OTHER)}, {field(BODY)}"),
    meta(repr_digest=f"{field(BODY)}, sha-384=:AAAA:, {field(OTHER)}"),
    meta(content_digest=f"{field(BODY)}, sha-256"),
    meta(digest=f"md5={b64(hashlib.md5(OTHER).digest())}, md5={b64(hashlib.md5(BODY).digest())}"),
    meta(digest=f"SHA-256={b64(hashlib.sha256(OTHER).digest())}, id-sha-256={b64(hashlib.sha256(BODY).digest())}"),
    meta(x_goog_hash=f"md5={b64(hashlib.md5(OTHER).digest())},md5={b64(hashlib.md5(BODY).digest())}"),
    meta(oc_checksum=f"MD5:{hashlib.md5(OTHER).hexdigest()} md5:{hashlib.md5(BODY).hexdigest()}"),
    meta(etag='W/"5f"'),
    meta(etag=f'"{hashlib.md5(BODY).hexdigest()}'),
    meta(etag=f'"{hashlib.md5(BODY).hexdigest()}-3"'),
    meta(content_md5=b64(hashlib.md5(BODY).digest()), x_checksum_md5=hashlib.md5(OTHER).hexdigest()),
]
INVALID = [
    meta(content_digest="sha-256=:AAAA:"),
    meta(content_digest="sha-512=::"),
    meta(repr_digest=field(BODY).replace("256", "512")),
    meta(digest="md5=AAAA"),
    meta(content_md5=hashlib.md5(BODY).hexdigest()),
    meta(x_amz_checksum_crc32=b64(hashlib.sha256(BODY).digest())),
    meta(x_amz_content_sha256=hashlib.sha1(BODY).hexdigest()),
    meta(x_checksum_md5="00"),
]
NOT_ASKED = [
    {},
    meta(content_digest=" "),
    meta(x_amz_content_sha256="UNSIGNED-PAYLOAD"),
    meta(x_bz_content_sha1="do_not_verify"),
    *(meta(**{f"x_{cloud}_content_sha256": "UNSIGNED-PAYLOAD"}) for cloud in ("goog", "bce", "oss", "tos")),
    meta(x_amz_sdk_checksum_algorithm="SHA256", x_amz_checksum_sha256=b64(hashlib.sha256(BODY).digest())),
    meta(trailer="X-Other"),
]


def test_every_header_of_the_table_has_its_line_here():
    lines = {name for name, _ in COMPARED} | {key[5:].lower() for headers in UNSUPPORTED for key in headers}
    assert {field.name.lower().replace("-", "_") for field in digests.TABLE} <= lines


@pytest.mark.parametrize(("name", "of"), COMPARED)
def test_a_digest_is_compared_in_every_way_of_writing_it(name, of):
    for brings in (Brings.FILE, Brings.MORE):
        checks = tuple(asked(meta(**{name: of(BODY)}), brings))
        assert digests.of_bytes(checks, BODY) == ()
        assert len(checks) == 1 and digests.of_bytes(checks, OTHER) == checks


@pytest.mark.parametrize("headers", UNSUPPORTED)
def test_what_cannot_be_compared_is_refused_and_never_passed_over(headers):
    for brings in (Brings.FILE, Brings.PART):
        with pytest.raises(ChecksumUnsupported) as refusal:
            asked(headers, brings)
        entries = refusal.value.document()["unsupported_algorithms"]
        assert entries and {entry["header"].upper().replace("-", "_") for entry in entries} <= {key[5:] for key in headers}


def test_the_same_digest_twice_is_no_contradiction():
    checks = tuple(asked(meta(content_digest=f"{field(BODY)}, {field(BODY)}"), Brings.FILE))
    assert digests.of_bytes(checks, BODY) == () and digests.of_bytes(checks, OTHER) == checks


@pytest.mark.parametrize("headers", MALFORMED)
def test_what_cannot_be_read_or_contradicts_itself_is_malformed(headers):
    with pytest.raises(RequestMalformed):
        asked(headers, Brings.FILE)


@pytest.mark.parametrize("headers", INVALID)
def test_a_digest_of_another_size_than_its_algorithms_is_invalid(headers):
    with pytest.raises(DigestInvalid) as refusal:
        asked(headers, Brings.FILE)
    (entry,) = refusal.value.document()["invalid_digests"]
    assert entry.keys() == {"algorithm", "header", "reason"}


@pytest.mark.parametrize("headers", NOT_ASKED)
def test_who_asks_for_nothing_is_left_alone(headers):
    kept = tuple(asked(headers, Brings.FILE))
    assert digests.of_bytes(kept, BODY) == ()


def places(headers, brings, **known):
    found = asked(headers, brings, **known)
    return [check.kind for check in found.of_body], [check.kind for check in found.of_whole]


@pytest.mark.parametrize(
    ("headers", "brings", "body", "whole"),
    [
        # A body that is the whole file: what survives an interruption is kept with the upload.
        (meta(content_digest=field(BODY)), Brings.FILE, [], ["sha256"]),
        (meta(content_md5=b64(hashlib.md5(BODY).digest())), Brings.FILE, ["md5"], []),
        (meta(upload_checksum=f"sha256 {b64(hashlib.sha256(BODY).digest())}"), Brings.FILE, ["sha256"], []),
        # The first bytes.
        (meta(content_digest=field(OTHER), repr_digest=field(BODY)), Brings.PART, ["sha256"], ["sha256"]),
        (meta(repr_digest=f"{field(BODY)}, {field(BODY, 'md5')}"), Brings.PART, [], ["sha256"]),
        (meta(x_checksum_sha512=hashlib.sha512(BODY).hexdigest()), Brings.PART, [], ["sha512"]),
        # A patch: RFC 9530, appendix B.6 and its like; all but one field speak of the patch itself.
        (meta(repr_digest=field(BODY)), Brings.MORE, ["sha256"], []),
        (meta(digest=f"sha={b64(hashlib.sha1(BODY).digest())}"), Brings.MORE, ["sha1"], []),
        (meta(content_digest=field(BODY), patched_digest=field(OTHER)), Brings.MORE, ["sha256"], ["sha256"]),
        (meta(patched_digest=f"{field(OTHER)}, {field(OTHER, 'sha-512')}"), Brings.MORE, [], ["sha256"]),
        # The end of a file whose beginning is here.
        (meta(content_digest=field(OTHER), repr_digest=field(BODY)), Brings.REST, ["sha256"], ["sha256"]),
    ],
)
def test_a_digest_is_held_against_what_it_speaks_of(headers, brings, body, whole):
    assert places(headers, brings) == (body, whole)


def test_a_sha_512_of_the_whole_needs_to_be_known_from_the_first_byte_on():
    headers = meta(patched_digest=field(BODY, "sha-512"))
    assert places(headers, Brings.MORE, sha512=True) == ([], ["sha512"])
    with pytest.raises(ChecksumUnsupported):
        asked(headers, Brings.MORE)


@pytest.mark.parametrize("headers", [meta(repr_digest=field(BODY, "md5")), meta(x_checksum_sha1=hashlib.sha1(BODY).hexdigest())])
@pytest.mark.parametrize("brings", [Brings.PART, Brings.REST])
def test_a_whole_of_which_only_a_part_comes_is_not_compared_by_what_does_not_survive_it(headers, brings):
    with pytest.raises(ChecksumUnsupported):
        asked(headers, brings)


def test_a_header_speaks_of_one_thing():
    assert {field.over for field in digests.TABLE} == set(Over)


# Through the views: every verb and protocol.

IETF_PART = {"HTTP_UPLOAD_COMPLETE": "?0"}
IETF_ALL = {"HTTP_UPLOAD_COMPLETE": "?1"}
PARTIAL = {"CONTENT_TYPE": "application/partial-upload"}
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
CREATIONS = {
    "put": ("PUT", {}),
    "ietf whole": ("POST", IETF_ALL),
    "ietf whole by put": ("PUT", IETF_ALL),
    "ietf part": ("POST", IETF_PART),
    "tus whole": ("POST", {**TUS, "HTTP_UPLOAD_LENGTH": str(len(BODY))}),
    "tus part": ("POST", {**TUS, "HTTP_UPLOAD_LENGTH": "100"}),
    "tus deferred": ("POST", {**TUS, "HTTP_UPLOAD_DEFER_LENGTH": "1"}),
}
APPENDS = {
    "ietf": {**IETF_PART, **PARTIAL},
    "ietf last": {**IETF_ALL, **PARTIAL},
    "tus": TUS,
}
SAMPLES = {
    "content_digest": field,
    "content_md5": lambda c: b64(hashlib.md5(c).digest()),
    "upload_checksum": lambda c: f"sha1 {b64(hashlib.sha1(c).digest())}",
    "x_amz_checksum_crc32": lambda c: b64(crc32(c)),
}
MISMATCHED = "https://iana.org/assignments/http-problem-types#digest-mismatched-values"


@pytest.fixture
def ready(known_store):
    return known_store


def told(answer):
    """(status, code) of a refusal whose type agrees with them, and the mismatches that it lists."""
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (problem["status"], MISMATCHED)
    return (answer.status_code, problem["code"]), problem["mismatched_digests"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("how", CREATIONS)
def test_every_creation_compares(uploads, grant_token, ready, nas, how, name):
    (method, said), of = CREATIONS[how], SAMPLES[name]
    refused = uploads(method, "/u", token=grant_token(), body=BODY, **said, **meta(**{name: of(OTHER)}))
    (status, code), (entry,) = told(refused)
    assert status == (460 if name == "upload_checksum" else 400) and code in ("checksum_differs", "digest_differs")
    assert entry["header"].lower().replace("-", "_") == name
    assert stored_files(nas) == [] and Upload.objects.get().state == "aborted"
    assert uploads(method, "/u", token=grant_token(), body=BODY, **said, **meta(**{name: of(BODY)})).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("how", [how for how in CREATIONS if how not in ("put", "ietf whole", "ietf whole by put", "tus whole")])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_creation_without_a_body_compares_with_nothing(uploads, grant_token, ready, how, name):
    (method, said), of = CREATIONS[how], SAMPLES[name]
    refused = uploads(method, "/u", token=grant_token(), CONTENT_LENGTH="0", **said, **meta(**{name: of(OTHER)}))
    assert told(refused)[0][1] == "checksum_differs"
    assert uploads(method, "/u", token=grant_token(), CONTENT_LENGTH="0", **said, **meta(**{name: of(b"")})).status_code == 201


@pytest.fixture
def begun(uploads, grant_token, ready):
    """(token, an upload that a PUT left which was cut off after 5 bytes; `left` are those that it wants)"""
    token = grant_token()
    uploads("PUT", "/u", token=token, body=BODY[:5], CONTENT_LENGTH=str(len(BODY)))
    return token, Upload.objects.get()


@pytest.fixture
def patch(uploads, begun):
    """A function: append to it where it stands."""

    def patch(body, how="ietf last", **more):
        token, upload = begun
        upload.refresh_from_db()
        said = {**APPENDS[how], "HTTP_UPLOAD_OFFSET": str(upload.offset), "CONTENT_LENGTH": str(len(body))}
        answer = uploads("PATCH", f"/u/{upload.id}", token=token, body=body, **said | more)
        upload.refresh_from_db()
        return answer

    return patch


@pytest.mark.django_db
@pytest.mark.parametrize("name", [*SAMPLES, "repr_digest"])
@pytest.mark.parametrize("how", APPENDS)
def test_every_append_compares_and_takes_only_its_own_bytes_back(patch, begun, how, name):
    (_, upload), of = begun, SAMPLES.get(name, field)
    (status, code), _ = told(patch(BODY[5:], how, **meta(**{name: of(OTHER)})))
    assert (status, code) == (460 if name == "upload_checksum" else 400, "checksum_differs")
    assert (upload.state, upload.offset) == ("waiting", 5)
    rest = BODY[5:10] if how == "ietf" else BODY[5:]
    assert patch(rest, how, **meta(**{name: of(rest)})).status_code in (201, 204)
    assert upload.offset == 5 + len(rest)


@pytest.mark.django_db
@pytest.mark.parametrize("how", APPENDS)
def test_a_patched_digest_is_of_all_that_is_there_after_it(patch, begun, how):
    _, upload = begun
    rest = BODY[5:10] if how == "ietf" else BODY[5:]
    refused = patch(rest, how, **meta(patched_digest=field(rest)))
    assert told(refused) == ((400, "digest_differs"), [
        {"algorithm": "sha-256", "provided_digest": field(rest).partition("=")[2], "header": "Patched-Digest"}
    ])  # fmt: skip
    assert (upload.state, upload.offset) == ("waiting", 5)
    assert refused.get("Upload-Complete") == (None if how == "tus" else "?0")
    assert patch(rest, how, **meta(patched_digest=field(BODY[: 5 + len(rest)]))).status_code in (201, 204)


@pytest.mark.django_db
def test_an_append_under_a_patched_digest_that_breaks_off_adds_nothing(patch, begun):
    _, upload = begun
    assert patch(BODY[5:9], CONTENT_LENGTH="16", **meta(patched_digest=field(BODY))).json()["code"] == "body_cut_off"
    assert (upload.state, upload.offset) == ("waiting", 5)


@pytest.mark.django_db
@pytest.mark.parametrize("where", ["token", "creation"])
def test_a_digest_of_the_whole_costs_the_last_request_and_nothing_that_was_promised(uploads, grant_token, ready, where):
    """The sender may send those bytes again; what came before them may well be right."""
    claims, said = ({"sha256": hashlib.sha256(BODY).hexdigest()}, {}) if where == "token" else ({}, meta(repr_digest=field(BODY)))
    token = grant_token(**claims)
    uploads("POST", "/u", token=token, body=BODY[:5], **IETF_PART, **said)
    upload = Upload.objects.get()

    def last(body):
        head = {**IETF_ALL, **PARTIAL, "HTTP_UPLOAD_OFFSET": "5"}
        return uploads("PATCH", f"/u/{upload.id}", token=token, body=body, **head)

    refused = last(b"-" * len(BODY[5:]))
    assert (refused.status_code, refused.json()["code"], refused["Upload-Complete"]) == (400, "digest_differs", "?0")
    upload.refresh_from_db()
    assert (upload.state, upload.offset, upload.slot) == ("waiting", 5, 0)
    assert last(BODY[5:]).status_code == 201


@pytest.mark.django_db
def test_an_upload_ends_where_no_bytes_are_left_that_could_put_it_right(uploads, grant_token, ready, nas):
    token = grant_token()
    uploads("POST", "/u", token=token, body=BODY, **IETF_PART, **meta(repr_digest=field(OTHER)))
    upload = Upload.objects.get()
    head = {**IETF_ALL, **PARTIAL, "HTTP_UPLOAD_OFFSET": str(len(BODY)), "CONTENT_LENGTH": "0"}
    refused = uploads("PATCH", f"/u/{upload.id}", token=token, **head)
    assert (refused.status_code, refused.json()["code"], refused["Upload-Complete"]) == (400, "digest_differs", "?1")
    upload.refresh_from_db()
    assert (upload.state, stored_files(nas)) == ("aborted", [])


@pytest.mark.django_db
def test_a_last_append_that_is_sent_again_is_compared_again(patch, begun):
    assert patch(BODY[5:]).status_code == 201
    assert patch(b"", **meta(content_digest=field(b""), patched_digest=field(BODY))).status_code == 201
    assert told(patch(b"", **meta(content_digest=field(OTHER))))[0] == (400, "checksum_differs")
    assert told(patch(b"", **meta(patched_digest=field(OTHER))))[0] == (400, "digest_differs")


@pytest.mark.django_db
def test_a_put_whose_digest_does_not_survive_an_interruption_keeps_nothing_and_is_sent_again(uploads, grant_token, ready, nas):
    token = grant_token()
    for name, kept in (("content_md5", 0), ("repr_digest", 5)):
        of = SAMPLES.get(name, field)
        uploads("PUT", "/u", token=token, body=BODY[:5], CONTENT_LENGTH=str(len(BODY)), **meta(**{name: of(BODY)}))
        assert Upload.objects.latest("id").offset == kept
    assert uploads("PUT", "/u", token=token, body=BODY, **meta(content_md5=SAMPLES["content_md5"](BODY))).status_code == 201


@pytest.mark.django_db
@pytest.mark.parametrize("headers", [UNSUPPORTED[0], UNSUPPORTED[-1], MALFORMED[0], INVALID[0]])
@pytest.mark.parametrize("how", [*CREATIONS, "check", "append"])
def test_at_the_door_it_is_refused_before_a_byte_whatever_the_verb(control, grant_token, begun, how, headers):
    token, upload = begun
    method, said = CREATIONS.get(how, ("PATCH" if how == "append" else "POST", {}))
    path = {"append": f"/{upload.id}", "check": "/check"}.get(how, "/")
    token = token if how == "append" else grant_token()
    question = {"HTTP_X_UPLOAD_METHOD": method, "HTTP_X_UPLOAD_PATH": path, "HTTP_X_UPLOAD_LENGTH": str(len(BODY))}
    question |= {"HTTP_UPLOAD_LENGTH": "100"} if how == "check" else {}
    answer = control("GET", "/authorize", token=token, **question, **said, **headers)
    if how == "append" and "HTTP_PATCHED_DIGEST" in headers:
        assert answer.status_code == 204  # there it is understood
    else:
        codes = ("checksum_unsupported", "request_malformed", "digest_invalid")
        assert (answer.status_code, answer["X-Upload-Verdict"] in codes) == (403, True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("headers", "size", "code"),
    [
        (UNSUPPORTED[0], 100, "checksum_unsupported"),
        (MALFORMED[0], 100, "request_malformed"),
        (meta(content_md5=b64(hashlib.md5(OTHER).digest())), 100, "checksum_differs"),
        (meta(content_md5=b64(hashlib.md5(BODY).digest())), 100, None),
        (meta(repr_digest=field(OTHER)), 100, None),  # of the file, of which this is the beginning
        (meta(repr_digest=field(OTHER)), len(BODY), "checksum_differs"),
        (meta(repr_digest=field(BODY)), len(BODY), None),
    ],
)
def test_a_check_answers_as_the_put_would_and_compares_what_it_has(control, grant_token, ready, headers, size, code):
    answer = control("POST", "/u/check", token=grant_token(), body=BODY, HTTP_UPLOAD_LENGTH=str(size), **headers)
    assert (answer.json()["code"] if answer.content else None) == code


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("digest", "code"),
    [(field(BODY), None), (field(OTHER), "digest_differs"), (field(BODY, "sha-512"), "checksum_unsupported")],
)
def test_a_concatenation_is_compared_by_its_sha_256(uploads, grant_token, ready, digest, code):
    token, said = grant_token(), {"HTTP_TUS_RESUMABLE": "1.0.0"}
    for content in (BODY[:5], BODY[5:]):
        part = {**TUS, "HTTP_UPLOAD_CONCAT": "partial", "HTTP_UPLOAD_LENGTH": str(len(content))}
        assert uploads("POST", "/u", token=token, body=content, **part).status_code == 201
    urls = " ".join(f"/u/{part.id}" for part in Upload.objects.order_by("id"))
    final = {**said, "HTTP_UPLOAD_CONCAT": f"final;{urls}", "CONTENT_LENGTH": "0"}
    answer = uploads("POST", "/u", token=token, **final, **meta(repr_digest=digest))
    assert (answer.json()["code"] if answer.status_code != 201 else None) == code


@pytest.mark.django_db
def test_a_part_of_a_concatenation_names_no_digest_of_a_whole(uploads, grant_token, ready):
    part = {**TUS, "HTTP_UPLOAD_CONCAT": "partial", "HTTP_UPLOAD_LENGTH": str(len(BODY))}
    answer = uploads("POST", "/u", token=grant_token(), body=BODY, **part, **meta(repr_digest=field(BODY)))
    assert answer.json()["code"] == "checksum_unsupported" and not Upload.objects.exists()
