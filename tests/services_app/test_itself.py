"""Bytes that are not the file are never signed as the file (ADR 0014): the same judgement at nginx's question and in the views."""

import base64
import gzip
import hashlib

import pytest

from services_app.uploads import actions
from services_app.uploads.content import envelopes
from services_app.uploads.errors import CodingRefused, EnvelopeRefused
from services_app.uploads.models import Upload
from services_app.uploads.ownership import writers
from services_app.uploads.wire.callers import verifier
from services_app.uploads.wire.headers import digest_field
from tests.services_app.making import a_zip, announced, begun, over
from tests.services_app.test_resume import held, is_stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = a_zip(b"some content that is sent in pieces")
SIZE = len(ZIP)
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
IETF = {"HTTP_UPLOAD_COMPLETE": "?1", "CONTENT_TYPE": "application/partial-upload"}
FORM = (
    b'--------------------------1f2e\r\nContent-Disposition: form-data; name="file"; filename="scan.zip"\r\n'
    b"Content-Type: application/zip\r\n\r\n" + ZIP + b"\r\n--------------------------1f2e--\r\n"
)
SIGNED_CHUNK = b"%x;chunk-signature=%b\r\n%b\r\n" % (SIZE, b"0a" * 32, ZIP)


@pytest.fixture
def cut(uploads, grant_token):
    """(token, the upload that a PUT left which was cut off after 50 bytes)"""
    token = grant_token()
    uploads("PUT", "/u", token=token, body=ZIP[:50], CONTENT_LENGTH=str(SIZE))
    return token, Upload.objects.get()


@pytest.fixture
def tell(uploads, control):
    """A function: send one request as nginx would, the question first. Returns the codes of (the question, the request itself)."""

    def tell(method, path, token, body, **fields):
        fields.setdefault("CONTENT_LENGTH", "" if "HTTP_TRANSFER_ENCODING" in fields else str(len(body)))
        asked = {name: value for name, value in fields.items() if name not in ("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING")}
        asked |= {"HTTP_X_UPLOAD_METHOD": method, "HTTP_X_UPLOAD_PATH": path.removeprefix("/u") or "/"}
        asked |= {"HTTP_X_UPLOAD_LENGTH": fields["CONTENT_LENGTH"], "HTTP_X_UPLOAD_CODING": fields.get("HTTP_TRANSFER_ENCODING", "")}
        verdict = control("GET", "/authorize", token=token, **asked).get("X-Upload-Verdict")
        answer = (control if path == "/u/check" else uploads)(method, path, token=token, body=body, **fields)
        told = answer.json().get("code", answer.status_code) if answer.content else answer.status_code
        return verdict, told

    return tell


def put_rest(uploads, token, offset, content=ZIP, total=None, **fields):
    total = len(content) if total is None else total
    said = {"HTTP_CONTENT_RANGE": f"bytes {offset}-{len(content) - 1}/{total}"}
    return uploads("PUT", "/u", token=token, body=content[offset:], **said | fields)


RANGES = [
    "bytes 50-99/{size}", "bytes 0-49/{size}", "bytes 50-{last}/*", "bytes */{size}", "bytes */*", "bytes 50-{last}",
    "50-{last}/{size}", "bytes=50-{last}/{size}", "items 50-{last}/{size}", "bytes 50-{size}/{size}", "bytes 51-{last}/{size}",
    "bytes 9-5/{size}", "-", "bytes 0-{last}/999", "bytes 50-{last}/{size}, bytes 50-{last}/{size}", "bytes -50-{last}/{size}",
    "bytes 0-{size}/{size}", "bytes 50 - {last}/{size}", "none",
]  # fmt: skip
PARTS = [
    *({"HTTP_CONTENT_RANGE": text.format(size=SIZE, last=SIZE - 1)} for text in RANGES),
    {"HTTP_UPLOAD_OFFSET": "50"},
    {"HTTP_UPLOAD_OFFSET": "x"},
    {"HTTP_UPLOAD_LENGTH": str(SIZE)},
    {"HTTP_UPLOAD_LENGTH": "3"},
    {"HTTP_UPLOAD_DEFER_LENGTH": "1"},
    {"HTTP_UPLOAD_CONCAT": "partial"},
    {"HTTP_X_UPLOAD_TOTALS": str(SIZE)},
    {"HTTP_X_UPLOAD_TOTALS": f"{SIZE - 50} {SIZE}"},
    {"HTTP_X_UPLOAD_BODY": "part"},
    {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_COMPLETE": "?0"},
    {"CONTENT_TYPE": "application/offset+octet-stream"},
    {"CONTENT_TYPE": "application/partial-upload"},
    {"CONTENT_TYPE": "Application/Json-Patch+json; charset=utf-8"},
    {"CONTENT_TYPE": "application/merge-patch+json"},
    {"CONTENT_TYPE": "application/x-sabredav-partialupdate"},
]


def test_a_put_that_says_it_is_a_part_is_refused_and_the_upload_that_waits_is_untouched(tell, cut, nas):
    token, upload = cut
    before, staged = Upload.objects.values().get(), (nas / "staging" / str(upload.id)).read_bytes()
    for said in PARTS:
        assert tell("PUT", "/u", token, ZIP[50:], **said) == ("partial_body", "partial_body"), said
    assert Upload.objects.values().get() == before
    assert (nas / "staging" / str(upload.id)).read_bytes() == staged


ELSEWHERE = [
    ("PUT", "/u", {}),
    ("POST", "/u", {**TUS, "HTTP_UPLOAD_LENGTH": str(SIZE)}),
    ("POST", "/u", {**IETF, "HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_LENGTH": str(SIZE)}),
    ("PUT", "/u", {**IETF, "HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_LENGTH": str(SIZE)}),
    ("PATCH", "/u/{id}", {**TUS, "HTTP_UPLOAD_OFFSET": "50"}),
    ("PATCH", "/u/{id}", {**IETF, "HTTP_UPLOAD_OFFSET": "50"}),
    ("POST", "/u/check", {"HTTP_UPLOAD_LENGTH": str(SIZE)}),
]
WRONG = [
    ("partial_body", {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 2}/{SIZE}"}),
    ("partial_body", {"HTTP_CONTENT_RANGE": "bytes */*"}),
    ("partial_body", {"HTTP_X_UPLOAD_BODY": "part"}),
    ("partial_body", {"HTTP_CONTENT_DISPOSITION": "segment; segment_number=2"}),
    ("partial_body", {"HTTP_CONTENT_DISPOSITION": "Segment-Init ;size=9;segment_count=3"}),
    ("coding_refused", {"HTTP_X_UPLOAD_BODY": "coded"}),
    *(("coding_refused", {"HTTP_CONTENT_ENCODING": coding}) for coding in ("gzip", "GZIP", "br", "identity, gzip", "aws-chunked", "x")),
    *(
        ("envelope_refused", {"CONTENT_TYPE": kind})
        for kind in (
            "multipart/form-data; boundary=x", "Multipart/Mixed", "multipart/byteranges", "multipart/related", "message/http",
            "message/partial", "application/x-www-form-urlencoded", "application/http", "application/zip, multipart/form-data",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "spoken"), ELSEWHERE, ids=str)
def test_no_verb_and_no_protocol_takes_a_body_that_is_not_the_file(tell, cut, method, path, spoken):
    token, upload = cut
    before = Upload.objects.values().get()
    for code, said in WRONG:
        assert tell(method, path.format(id=upload.id), token, ZIP[50:], **spoken | said) == (code, code), said
    assert Upload.objects.values().get() == before


def test_a_creation_and_an_append_say_their_place_in_the_words_of_their_protocol_alone(tell, cut):
    rest = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}"}
    for method, path, spoken in ELSEWHERE[1:]:
        assert tell(method, path.format(id=cut[1].id), cut[0], ZIP[50:], **spoken | rest) == ("partial_body",) * 2
    for method, path, spoken in ELSEWHERE[1:4]:
        assert tell(method, path, cut[0], ZIP[50:], **spoken, HTTP_UPLOAD_OFFSET="50") == ("partial_body",) * 2


def test_the_answer_to_a_coded_body_names_the_coding_that_is_taken(uploads, cut):
    answer = uploads("PUT", "/u", token=cut[0], body=gzip.compress(ZIP), HTTP_CONTENT_ENCODING="gzip")
    assert (answer.status_code, answer["Accept-Encoding"]) == (415, "identity")


@pytest.mark.parametrize("totals", [str(SIZE + 1), f"{SIZE} 7", "?"])
@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("POST", {**TUS, "HTTP_UPLOAD_LENGTH": str(SIZE)}),
        ("POST", {**IETF, "HTTP_UPLOAD_LENGTH": str(SIZE)}),
        ("PUT", IETF),
        ("PUT", {**IETF, "HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_LENGTH": str(SIZE)}),
    ],
)
def test_a_creation_whose_lengths_contradict_each_other_begins_nothing(tell, grant_token, method, said, totals):
    code = "request_malformed" if totals == "?" else "inconsistent_length"
    assert tell(method, "/u", grant_token(), ZIP, **said, HTTP_X_UPLOAD_TOTALS=totals) == (code, code)
    assert not Upload.objects.exists()
    assert tell(method, "/u", grant_token(), ZIP, **said, HTTP_X_UPLOAD_TOTALS=str(SIZE)) == (None, 201)


def test_where_the_length_is_not_known_yet_or_is_a_parts_there_is_nothing_to_contradict(tell, grant_token):
    for said in ({"HTTP_UPLOAD_DEFER_LENGTH": "1"}, {"HTTP_UPLOAD_LENGTH": str(SIZE), "HTTP_UPLOAD_CONCAT": "partial"}):
        assert tell("POST", "/u", grant_token(), ZIP, **TUS, **said, HTTP_X_UPLOAD_TOTALS="999") == (None, 201)


@pytest.mark.parametrize("concat", ["partial", "final;/u/x"])
@pytest.mark.parametrize("complete", ["?0", "?1"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_the_draft_has_no_part_of_a_concatenation(tell, grant_token, method, complete, concat):
    said = {**IETF, "HTTP_UPLOAD_COMPLETE": complete, "HTTP_UPLOAD_CONCAT": concat}
    assert tell(method, "/u", grant_token(), ZIP, **said) == ("partial_body",) * 2
    assert not Upload.objects.exists()


# What a PUT would bear besides; the length goes into Upload-Length of the question, into Content-Length of the PUT.
AS_A_PUT = [
    *({"HTTP_X_UPLOAD_TOTALS": totals} for totals in (str(SIZE), str(SIZE + 1), f"{SIZE} 7", "?")),
    *({"HTTP_UPLOAD_COMPLETE": value} for value in ("?1", "?0", "true", "1")),
    *({"HTTP_UPLOAD_COMPLETE": "?1", **said} for said in ({"HTTP_UPLOAD_CONCAT": "partial"}, {"HTTP_X_UPLOAD_TOTALS": "7"})),
    {"HTTP_UPLOAD_DEFER_LENGTH": "1"},
    {"HTTP_UPLOAD_CONCAT": "partial"},
    {"HTTP_UPLOAD_OFFSET": "5"},
    {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_COMPLETE": "?0"},
    {"HTTP_TUS_RESUMABLE": "0.2.2"},
    {"HTTP_CONTENT_RANGE": f"bytes 0-{SIZE - 1}/{SIZE}"},
    {"HTTP_CONTENT_RANGE": f"bytes 0-{SIZE - 2}/{SIZE}"},
    *(
        {"CONTENT_TYPE": kind}
        for kind in (
            "application/partial-upload", "application/offset+octet-stream", "application/merge-patch+json", "application/zip",
            "multipart/mixed", "application/x-www-form-urlencoded",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("said", AS_A_PUT, ids=str)
def test_a_check_says_what_the_put_would_say(tell, uploads, grant_token, said):
    put = tell("PUT", "/u", grant_token(), ZIP, HTTP_UPLOAD_LENGTH=str(SIZE), **said)
    check = tell("POST", "/u/check", grant_token(), ZIP[:30], HTTP_UPLOAD_LENGTH=str(SIZE), **said)
    assert check == (put[0], put[1] if isinstance(put[1], str) else 204)


WHOLE = [
    {"HTTP_CONTENT_RANGE": f"bytes 0-{SIZE - 1}/{SIZE}"},  # curl -C - -T
    {"HTTP_CONTENT_RANGE": f"Bytes 0-{SIZE - 1}/{SIZE}", "HTTP_TRANSFER_ENCODING": "chunked"},
    {"HTTP_UPLOAD_LENGTH": str(SIZE)},
    {"HTTP_UPLOAD_LENGTH": str(SIZE), "HTTP_TRANSFER_ENCODING": "chunked"},
    {"HTTP_UPLOAD_OFFSET": "0"},
    {"HTTP_X_UPLOAD_TOTALS": f"{SIZE} {SIZE}"},
    {"HTTP_CONTENT_ENCODING": "identity"},
    {"HTTP_CONTENT_ENCODING": "Identity, identity"},
    {"HTTP_TUS_RESUMABLE": "1.0.0"},
    *({"CONTENT_TYPE": kind} for kind in ("", "text/x-patch", "application/json", "application/zip", "text/multipart", "x-patch")),
]


def test_what_says_the_same_as_the_body_is_a_whole_file(tell, grant_token, known_store):
    for said in WHOLE:
        assert tell("PUT", "/u", grant_token(), ZIP, **said)[0] is None, said
        is_stored(Upload.objects.order_by("id").last(), known_store)


def test_a_chunked_body_is_held_against_the_length_that_its_headers_name(uploads, grant_token):
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    for named, state, offset in ((SIZE + 1, "waiting", SIZE), (SIZE - 1, "aborted", 0)):
        answer = uploads("PUT", "/u", token=grant_token(), body=ZIP, HTTP_X_UPLOAD_TOTALS=str(named), **chunked)
        assert (answer.status_code, answer.json()["code"]) == (400, "inconsistent_length")
        upload = Upload.objects.order_by("id").last()
        assert (upload.state, upload.offset) == (state, offset)


@pytest.mark.parametrize("kind", ["application/x-sabredav-partialupdate", "Application/Json-Patch+json; charset=utf-8"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize("complete", ["?0", "?1"])
def test_what_changes_a_file_begins_none_by_the_draft_either(tell, grant_token, method, complete, kind):
    said = {**IETF, "HTTP_UPLOAD_COMPLETE": complete, "HTTP_UPLOAD_LENGTH": str(SIZE), "CONTENT_TYPE": kind}
    assert tell(method, "/u", grant_token(), ZIP, **said) == ("partial_body", "partial_body")


def test_a_creation_without_a_body_may_say_that_it_would_be_a_form_of_nothing(tell, grant_token):
    said = {"HTTP_TUS_RESUMABLE": "1.0.0", "HTTP_UPLOAD_LENGTH": "5", "CONTENT_TYPE": "application/x-www-form-urlencoded"}
    assert tell("POST", "/u", grant_token(), b"", **said) == (None, 201)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (FORM, "envelope_refused"),
        (FORM.replace(b"\r\n", b"\n"), "envelope_refused"),
        (SIGNED_CHUNK, "coding_refused"),
        (b"data:application/zip;base64," + base64.b64encode(ZIP), "coding_refused"),
    ],
    ids=["form", "form with LF", "S3", "data URL"],
)
def test_an_envelope_whose_headers_say_nothing_is_known_by_its_first_bytes(tell, grant_token, known_store, body, code):
    assert tell("PUT", "/u", grant_token(), body) == (None, code)
    assert tell("POST", "/u", grant_token(), body, **IETF) == (None, code)
    assert tell("POST", "/u/check", grant_token(), body, HTTP_UPLOAD_LENGTH=str(len(body))) == (None, code)
    assert set(Upload.objects.values_list("state", "problem")) == {("aborted", code)}
    assert known_store.staged_names() == []


# First lines as real senders write them, whatever their headers say.
ENVELOPES = [
    b'------------------------c8cb0d1f2e\r\nContent-Disposition: attachment; name="file"; filename="scan.zip"\r\n\r\nPK',  # curl -F
    b"--aa\r\nContent-Type: application/dicom\r\n\r\nDICM",  # STOW-RS
    b"--THIS_STRING_SEPARATES\r\nContent-Type: application/pdf\r\nContent-Range: bytes 500-999/8000\r\n\r\n",
    b"--===============7330845974216740156==\nContent-Type: application/json; charset=UTF-8\n\n{}",  # Google's multipart/related
    b"--uuid:1b2c-3d\r\nContent-ID: <a@b>\r\n\r\n",
    b"\r\n--aa\r\nContent-Type: text/plain\r\n\r\n",
    b" \n\n--aa \ncontent-type : text/plain\n\n",
    b"--aa\r\nX-Foo: 1\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n",
    b"--aa\r\nX-Foo: 1\r\n folded\r\n\tagain: x\r\nContent-Location: a\r\n\r\n",
    b"--a b'()+_,-./:=?c\r\nContent-Length: 5\r\n\r\n12345",
]
FILES = [
    b"-- header --\r\nContent-Disposition: form-data is a header\r\n",
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=aa\r\n\r\n--aa\r\nContent-Type: text/plain\r\n\r\n",
    b"From: a@example.org\r\nTo: b@example.org\r\n\r\n--aa\r\nContent-Type: text/plain\r\n",
    b"---\ncontent-type: page\n---\n",
    b"--- \ncontent-type: page\n",
    b"------\ncontent-type: page\n",
    b"--- a/file\n+++ b/file\n@@ -1 +1 @@\n-Content-Type: a\n+Content-Type: b\n",
    b"--no space: a comment\nSELECT 1;\nContent-Type: x\n",
    b"--aa\r\nX-Foo: 1\r\n\r\nContent-Type: in a body\r\n",
    b"--aa\r\n\r\nContent-Type: in a body\r\n",
    b"--aa\r\nA sentence.\r\nContent-Type: x\r\n",
    b"--" + b"a" * 71 + b"\r\nContent-Type: x\r\n",
    b"words\r\n--aa\r\nContent-Type: x\r\n",
    b"--aa" * 20_000,
    b"data: image/png;base64,AAAA",
    b"data:text/plain,base64",
    b"data:a;b;c\n;base64,AAAA",
    b" data:image/png;base64,AAAA",
    b"data:" + b"a" * 70_000 + b";base64,",
    b"--aa\r\n" + b"a: 1\r\n b\r\n" * 6_000,
]


@pytest.mark.parametrize("head", ENVELOPES, ids=lambda head: repr(head[:40]))
def test_a_part_of_any_multipart_is_an_envelope(head):
    with pytest.raises(EnvelopeRefused):
        envelopes.check(head)


@pytest.mark.parametrize("kind", ["", "image/png", "Application/Vnd.Ms-Excel", "text/plain;charset=utf-8", 'a/b;c="d"'])
def test_a_data_url_in_base64_is_a_coded_file(kind):
    with pytest.raises(CodingRefused):
        envelopes.check(f"Data:{kind};base64,AAAA".encode())


@pytest.mark.parametrize("head", FILES, ids=lambda head: repr(head[:40]))
def test_what_only_looks_like_one_is_a_file(head):
    envelopes.check(head)


# -- the rest of a file: curl -C OFFSET -T FILE -----------------------------------------------------------------------


@pytest.mark.parametrize("framing", [{}, {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}], ids=["length", "chunked"])
def test_the_rest_of_a_file_finishes_the_upload_that_stands_there(uploads, cut, known_store, framing):
    token, upload = cut
    answer = put_rest(uploads, token, 50, **framing)
    assert answer.status_code == 201 and answer.json()["upload_id"] == str(upload.id) and answer.json()["receipt"]
    is_stored(upload, known_store)
    again = put_rest(uploads, token, 50)
    assert (again.status_code, again.json()["code"]) == (409, "already_committed")


@pytest.mark.parametrize("protocol", ["tus", "ietf"])
@pytest.mark.parametrize("length", [SIZE, None], ids=["known", "deferred"])
def test_it_finishes_what_either_protocol_began(uploads, grant_token, known_store, protocol, length):
    token = grant_token(max_uploads=2)
    begun(verifier().verify(token), announced(7), receiving=False)  # another file waits as well
    if protocol == "tus":
        said = {**TUS} | ({"HTTP_UPLOAD_LENGTH": str(SIZE)} if length else {"HTTP_UPLOAD_DEFER_LENGTH": "1"})
    else:
        said = {**IETF, "HTTP_UPLOAD_COMPLETE": "?0"} | ({"HTTP_UPLOAD_LENGTH": str(SIZE)} if length else {})
    upload = Upload.objects.get(id=uploads("POST", "/u", token=token, body=ZIP[:50], **said)["X-Upload-Id"])
    assert (upload.state, upload.offset, upload.length) == ("waiting", 50, length)
    assert put_rest(uploads, token, 50).status_code == 201
    is_stored(upload, known_store)


def test_a_rest_that_is_cut_off_waits_where_it_stands_and_goes_on_from_there(uploads, cut, known_store):
    token, upload = cut
    said = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}", "CONTENT_LENGTH": str(SIZE - 50)}
    assert uploads("PUT", "/u", token=token, body=ZIP[50:70], **said).json()["code"] == "body_cut_off"
    assert put_rest(uploads, token, 70).status_code == 201
    is_stored(upload, known_store)


def test_the_digests_beside_a_rest_are_of_the_whole_and_of_this_body(uploads, cut, known_store):
    whole, rest = (digest_field(hashlib.sha256(content).hexdigest()) for content in (ZIP, ZIP[50:]))
    answer = put_rest(uploads, cut[0], 50, HTTP_CONTENT_DIGEST=whole)
    assert (answer.status_code, answer.json()["code"]) == (400, "checksum_differs")
    assert put_rest(uploads, cut[0], 50, HTTP_REPR_DIGEST=whole, HTTP_CONTENT_DIGEST=rest).status_code == 201
    is_stored(cut[1], known_store)


def test_another_offset_is_told_the_right_one_before_a_byte_is_taken(uploads, control, cut):
    token, _ = cut
    before = Upload.objects.values().get()
    said = {"HTTP_CONTENT_RANGE": f"bytes 49-{SIZE - 1}/{SIZE}"}
    asked = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": str(SIZE - 49)}
    verdict = control("GET", "/authorize", token=token, **asked, **said)
    assert (verdict["X-Upload-Verdict"], verdict["Upload-Offset"]) == ("wrong_offset", "50")
    answer = put_rest(uploads, token, 49)
    assert (answer.status_code, answer["Upload-Offset"]) == (409, "50")
    assert {**answer.json(), "title": 0} == {
        "type": "https://iana.org/assignments/http-problem-types#mismatching-upload-offset", "title": 0, "status": 409,
        "detail": "Upload-Offset says where to go on; with curl: curl -C OFFSET -T FILE URL.", "code": "wrong_offset",
        "expected-offset": 50, "provided-offset": 49,
    }  # fmt: skip
    assert Upload.objects.values().get() == before


def test_where_nothing_waits_the_file_begins_at_byte_0_or_not_at_all(tell, uploads, grant_token, cut):
    assert tell("PUT", "/u", grant_token(), ZIP[50:], HTTP_CONTENT_RANGE=f"bytes 50-{SIZE - 1}/{SIZE}") == ("wrong_offset",) * 2
    answer = put_rest(uploads, grant_token(), 50)
    assert (answer.status_code, answer["Upload-Offset"]) == (409, "0")
    small = grant_token(max_size=60)
    assert tell("PUT", "/u", small, ZIP[50:], HTTP_CONTENT_RANGE=f"bytes 50-{SIZE - 1}/{SIZE}") == ("too_large",) * 2
    token, upload = cut
    actions.abort(upload, "upload_cancelled")
    assert put_rest(uploads, token, 50)["Upload-Offset"] == "0"


def test_a_rest_of_another_length_belongs_to_another_file(tell, cut):
    token, _ = cut
    before = Upload.objects.values().get()
    said = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE}/{SIZE + 1}"}
    assert tell("PUT", "/u", token, bytes(SIZE - 49), **said) == ("inconsistent_length",) * 2
    assert Upload.objects.values().get() == before


@pytest.mark.parametrize(
    ("began", "field", "code"),
    [
        ("scan.zip", 'attachment; filename="scan.zip"', None),
        ("scan.zip", "attachment; filename*=UTF-8''folder%2Fscan.zip", None),  # the same once it is safe
        ("scan.zip", "attachment", None),
        ("scan.zip", 'attachment; filename="other.zip"', "partial_body"),
        ("scan.zip", "attachment; filename*=UTF-8''Scan.zip", "partial_body"),
        ("", 'attachment; filename="other.zip"', "partial_body"),
    ],
)
def test_a_rest_that_names_another_file_does_not_end_the_one_that_waits(tell, uploads, grant_token, began, field, code):
    token = grant_token()
    said = {"HTTP_CONTENT_DISPOSITION": f'attachment; filename="{began}"'} if began else {}
    uploads("PUT", "/u", token=token, body=ZIP[:50], CONTENT_LENGTH=str(SIZE), **said)
    rest = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}", "HTTP_CONTENT_DISPOSITION": field}
    assert tell("PUT", "/u", token, ZIP[50:], **rest) == ((code, code) if code else (None, 201))
    upload = Upload.objects.get()
    assert (upload.state, upload.offset) == (("waiting", 50) if code else ("committed", SIZE))


def test_of_several_that_wait_the_length_tells_which_and_none_is_guessed_by_where_it_stands(uploads, tell, grant_token):
    token = grant_token(max_uploads=3)
    made = [begun(verifier().verify(token), announced(SIZE), receiving=False) for _ in range(3)]
    for upload, offset in zip(made, (50, 60, 50), strict=True):
        said = {**TUS, "HTTP_UPLOAD_OFFSET": "0"}
        assert uploads("PATCH", f"/u/{upload.id}", token=token, body=ZIP[:offset], **said).status_code == 204
    rest = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[50:], **rest) == ("partial_body",) * 2
    rest = {"HTTP_CONTENT_RANGE": f"bytes 60-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[60:], **rest) == ("partial_body",) * 2
    renewed = grant_token(jti=str(made[2].grant_id), max_uploads=3, upload_id=str(made[2].id))
    assert put_rest(uploads, renewed, 50).json()["upload_id"] == str(made[2].id)


def test_parts_of_a_concatenation_are_no_files_that_could_be_finished(uploads, grant_token):
    token = grant_token()
    uploads("POST", "/u", token=token, body=ZIP[:50], **TUS, HTTP_UPLOAD_LENGTH=str(SIZE), HTTP_UPLOAD_CONCAT="partial")
    assert put_rest(uploads, token, 50)["Upload-Offset"] == "0"


def test_a_length_that_the_rest_brings_may_be_no_more_than_the_grant_allows(tell, uploads, grant_token):
    token = grant_token(max_size=SIZE - 1)
    uploads("POST", "/u", token=token, body=ZIP[:50], **TUS, HTTP_UPLOAD_DEFER_LENGTH="1")
    said = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[50:], **said) == ("too_large",) * 2
    assert Upload.objects.get().offset == 50


@pytest.fixture
def sending(cut, known_store, monkeypatch):
    """(token, an upload of which 50 bytes are promised and 70 have come, from a request that still sends; how it is told to stop)"""
    token, upload = cut
    with known_store.stage(upload.id, 50) as staged:
        staged.write(memoryview(ZIP[50:70]))
    held(upload)
    writer = writers.Writer(upload.generation, None)
    monkeypatch.setitem(writers._writers, upload.id, writer)
    return token, upload, writer


@pytest.mark.parametrize("offset", [7, 50, 69, 71])
def test_a_rest_from_elsewhere_is_refused_at_the_door_and_a_request_that_still_sends_is_left_alone(
    uploads, control, sending, known_store, offset
):
    token, upload, writer = sending
    before = Upload.objects.values().get()
    said = {"HTTP_CONTENT_RANGE": f"bytes {offset}-{SIZE - 1}/{SIZE}"}
    asked = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": str(SIZE - offset)}
    verdict = control("GET", "/authorize", token=token, **asked, **said)
    assert (verdict["X-Upload-Verdict"], verdict["Upload-Offset"]) == ("wrong_offset", "70")
    answer = put_rest(uploads, token, offset)
    assert (answer.status_code, answer["Upload-Offset"], answer.json()["expected-offset"]) == (409, "70", 70)
    assert Upload.objects.values().get() == before
    assert not writer.superseded and known_store.staged_size(upload.id) == 70


def test_a_rest_from_where_it_comes_to_takes_over_from_it(sending, tell):
    token, _, writer = sending
    said = {"HTTP_CONTENT_RANGE": f"bytes 70-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[70:], **said) == (None, "upload_in_progress")  # it does not let go here
    assert writer.superseded


def test_a_request_that_nobody_holds_any_more_stands_where_it_will_be_settled(sending, tell, known_store):
    token, upload, _ = sending
    Upload.objects.update(**over())
    said = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[50:], **said) == (None, 201)
    is_stored(upload, known_store)


def test_what_is_being_stored_is_waited_for(tell, cut):
    token, upload = cut
    held(upload)
    Upload.objects.update(state="committing")
    said = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[50:], **said) == ("upload_in_progress",) * 2


def test_a_request_that_is_still_sending_is_made_to_let_go_or_the_rest_has_to_wait(tell, cut):
    token, upload = cut
    held(upload)
    said = {"HTTP_CONTENT_RANGE": f"bytes 50-{SIZE - 1}/{SIZE}"}
    assert tell("PUT", "/u", token, ZIP[50:], **said) == (None, "upload_in_progress")
