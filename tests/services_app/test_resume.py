"""An upload goes on where it stands: whatever began it, whichever protocol goes on, however its requests end."""

import hashlib

import pytest
from django.utils import timezone

from services_app.ledger.models import Entry
from services_app.uploads import actions, authorize, policies
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, takeover, writers
from services_app.uploads.wire.callers import verifier
from tests.services_app.making import a_zip, announced, begun, claims_object, claims_of, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
ZIP = a_zip(b"some content that is sent in pieces")
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}


def ietf(complete):
    return {"HTTP_UPLOAD_COMPLETE": f"?{int(complete)}", "CONTENT_TYPE": "application/partial-upload"}


@pytest.fixture
def cut(uploads, grant_token):
    """(token, the upload that a PUT left which was cut off after 50 bytes)"""
    token = grant_token()
    uploads("PUT", "/u", token=token, body=ZIP[:50], CONTENT_LENGTH=str(len(ZIP)))
    return token, Upload.objects.get()


@pytest.fixture
def patch(uploads):
    """A function: append `content` at `offset`."""

    def patch(upload, token, offset, content, **fields):
        fields.setdefault("CONTENT_LENGTH", str(len(content)))
        return uploads("PATCH", f"/u/{upload.id}", token=token, body=content, HTTP_UPLOAD_OFFSET=str(offset), **fields)

    return patch


def held(upload):
    """A request on another host is sending."""
    lease = {"owner": "far/away:1:1", "lease_boot": "", "lease_until": timezone.now() + leases.LEASE}
    Upload.objects.filter(id=upload.id).update(state="receiving", **lease)


def is_stored(upload, known_store, content=ZIP):
    upload.refresh_from_db()
    assert (upload.state, upload.offset, upload.size) == ("committed", len(content), len(content))
    assert upload.sha256 == hashlib.sha256(content).hexdigest() and upload.receipt
    assert known_store.path(actions.object_name(upload)).read_bytes() == content
    assert known_store.staged_names() == []
    # Where it was cut off before, the ledger says that it went on (test_ledger_export.py).
    assert [entry.event for entry in Entry.objects.filter(upload_id=upload.id).exclude(event="resumed")] == ["committed"]


def test_an_append_that_nginx_asked_about_before_an_offset_retrieval_comes_too_late(control, patch, cut):
    token, upload = cut
    asked = {"HTTP_X_UPLOAD_METHOD": "PATCH", "HTTP_X_UPLOAD_PATH": f"/{upload.id}", "HTTP_X_UPLOAD_LENGTH": "1"}
    ask = lambda: control("GET", "/authorize", token=token, **asked)["X-Upload-Retrievals"]  # noqa: E731
    early = ask()
    assert control("HEAD", f"/u/{upload.id}", token=token)["Upload-Offset"] == "50"
    late = ask()
    refused = patch(upload, token, 50, ZIP[50:51], HTTP_X_UPLOAD_RETRIEVALS=early, **ietf(False))
    assert (refused.status_code, refused.json()["code"], refused["Retry-After"]) == (423, "upload_in_progress", "1")
    taken = patch(upload, token, 50, ZIP[50:51], HTTP_X_UPLOAD_RETRIEVALS=late, **ietf(False))
    assert (taken.status_code, taken["Upload-Offset"]) == (204, "51")


@pytest.mark.parametrize("fields", [TUS, ietf(True)], ids=["tus", "ietf"])
def test_a_put_that_was_cut_off_is_finished_by_either_protocol(cut, patch, known_store, fields):
    token, upload = cut
    assert (upload.state, upload.offset) == ("waiting", 50)
    assert patch(upload, token, 50, ZIP[50:], **fields).status_code in (201, 204)
    is_stored(upload, known_store)


def test_piece_by_piece_the_offset_goes_up_and_is_told(cut, patch, control, known_store):
    token, upload = cut
    for offset in range(50, len(ZIP), 10):
        answer = control("HEAD", f"/u/{upload.id}", token=token)
        assert (answer.status_code, answer["Upload-Offset"]) == (200, str(offset))
        answer = patch(upload, token, offset, ZIP[offset : offset + 10], **TUS)
        assert (answer.status_code, answer["Upload-Offset"]) == (204, str(min(offset + 10, len(ZIP))))
    is_stored(upload, known_store)


@pytest.mark.parametrize("offset", [0, 49, 51, 10**14])
@pytest.mark.parametrize("fields", [TUS, ietf(False)], ids=["tus", "ietf"])
def test_another_offset_is_refused_with_the_right_one_and_changes_nothing(cut, patch, nas, offset, fields):
    token, upload = cut
    answer = patch(upload, token, offset, b"x" * 5, **fields)
    assert (answer.status_code, answer.json()["code"], answer["Upload-Offset"]) == (409, "wrong_offset", "50")
    upload.refresh_from_db()
    assert (upload.state, upload.offset, upload.owner) == ("waiting", 50, "")
    assert (nas / "staging" / str(upload.id)).read_bytes() == ZIP[:50]


def test_an_append_that_is_cut_off_keeps_what_came(cut, patch, known_store):
    token, upload = cut
    answer = patch(upload, token, 50, ZIP[50:60], CONTENT_LENGTH=str(len(ZIP) - 50), **TUS)
    assert (answer.status_code, answer.json()["code"]) == (400, "body_cut_off")
    upload.refresh_from_db()
    assert (upload.state, upload.offset) == ("waiting", 60)
    patch(upload, token, 60, ZIP[60:], **TUS)
    is_stored(upload, known_store)


def test_more_than_is_left_is_refused_and_costs_nothing(cut, patch, known_store):
    token, upload = cut
    assert patch(upload, token, 50, ZIP[50:] + b"x", **TUS).status_code == 413
    upload.refresh_from_db()
    assert (upload.state, upload.offset) == ("waiting", 50)
    patch(upload, token, 50, ZIP[50:], **TUS)
    is_stored(upload, known_store)


def test_the_digest_of_a_put_is_compared_when_another_request_finishes_it(uploads, patch, grant_token, nas):
    token = grant_token(sha256="ab" * 32)
    uploads("PUT", "/u", token=token, body=ZIP[:50], CONTENT_LENGTH=str(len(ZIP)))
    upload = Upload.objects.get()
    assert patch(upload, token, 50, ZIP[50:], **TUS).json()["code"] == "digest_differs"
    upload.refresh_from_db()
    assert (upload.state, upload.offset, upload.slot) == ("waiting", 50, 0), "what was promised before stays"
    assert (nas / "staging" / str(upload.id)).read_bytes() == ZIP[:50]


def test_a_renewed_token_goes_on_and_begins_nothing(cut, patch, uploads, grant_token, known_store):
    _, upload = cut
    renewed = grant_token(jti=str(upload.grant_id), upload_id=str(upload.id), start_by=5)
    assert uploads("PUT", "/u", token=renewed, body=ZIP).json()["code"] == "upload_not_yours"
    upload.refresh_from_db()
    assert (upload.state, upload.offset) == ("waiting", 50)
    assert patch(upload, renewed, 50, ZIP[50:], **TUS).status_code == 204
    is_stored(upload, known_store)


def test_an_append_under_another_grant_finds_nothing(cut, patch, grant_token):
    _, upload = cut
    answer = patch(upload, grant_token(), 50, ZIP[50:], **TUS)
    assert (answer.status_code, answer.json()["code"]) == (404, "upload_unknown")
    assert Upload.objects.get().offset == 50


def test_an_append_counts_among_the_uploads_that_run_unless_it_only_takes_over(cut, patch, settings, monkeypatch):
    token, upload = cut
    settings.UPLOAD_MAX_CONCURRENT = 1
    with writers.writing(begun(claims_object(), announced())):
        answer = patch(upload, token, 50, ZIP[50:], **TUS)
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "10")
    with pytest.raises(policies.errors.Busy):
        policies.may_append(claims_of(upload), upload, 5)  # nginx's question counts those of other processes too
    assert Upload.objects.get(id=upload.id).contender == upload.contender, "it disturbs nobody either"
    settings.UPLOAD_MAX_CONCURRENT = 4
    held(upload)
    policies.may_append(claims_of(upload), upload, 5)
    with pytest.raises(policies.errors.ShareTaken):
        part = begun(claims_of(upload), announced(concat="partial"), receiving=False)
        policies.may_append(claims_of(part), part, 5)


def test_an_append_needs_room_on_the_nas(cut, patch, settings):
    token, upload = cut
    settings.UPLOAD_SPACE_RESERVE = 1 << 60
    assert patch(upload, token, 50, ZIP[50:], **TUS).json()["code"] == "no_space"
    upload.refresh_from_db()
    assert (upload.state, upload.offset) == ("waiting", 50)


def test_a_fault_of_our_own_before_the_body_leaves_the_upload_waiting(cut, patch, monkeypatch, known_store):
    from services_app.uploads import bodies

    token, upload = cut
    with monkeypatch.context() as broken:
        broken.setattr(bodies, "_check_room", lambda *_: 1 / 0)
        assert patch(upload, token, 50, ZIP[50:], **TUS).status_code == 500
    upload.refresh_from_db()
    assert (upload.state, upload.offset) == ("waiting", 50)
    patch(upload, token, 50, ZIP[50:], **TUS)
    is_stored(upload, known_store)


def test_what_is_cancelled_is_gone_and_the_grant_is_free(cut, patch, control, uploads, nas):
    token, upload = cut
    assert control("DELETE", f"/u/{upload.id}", token=token).status_code == 204
    assert stored_files(nas) == []
    for answer in (patch(upload, token, 50, ZIP[50:], **TUS), control("DELETE", f"/u/{upload.id}", token=token)):
        assert (answer.status_code, answer.json()["code"]) == (410, "upload_cancelled")
    assert uploads("PUT", "/u", token=token, body=ZIP).status_code == 201


def test_a_grant_for_two_gives_way_by_its_oldest_upload_that_waits(uploads, grant_token):
    token = grant_token(max_uploads=2)
    for _ in range(3):
        uploads("PUT", "/u", token=token, body=ZIP[:50], CONTENT_LENGTH=str(len(ZIP)))
    assert [(u.state, u.slot) for u in Upload.objects.order_by("id")] == [
        ("aborted", None),
        ("waiting", 1),
        ("waiting", 0),
    ]


def test_an_upload_that_someone_goes_on_with_never_gives_way(cut, uploads, grant_token):
    token, upload = cut
    held(upload)
    answer = uploads("PUT", "/u", token=token, body=ZIP)
    assert (answer.status_code, answer.json()["code"]) == (423, "upload_in_progress")
    assert Upload.objects.get().offset == 50


def test_an_upload_seized_after_the_look_does_not_give_way(cut, monkeypatch):
    token, _ = cut
    stale, claims = Upload.objects.select_related("grant").get(), verifier().verify(token)
    Upload.objects.update(state="receiving", generation=9, contender=9)
    monkeypatch.setattr(policies, "slot_for", lambda _, **__: (0, [stale]))
    with pytest.raises(policies.errors.UploadInProgress):
        actions.create(claims, announced(), receiving=True)
    assert (Upload.objects.get().state, Upload.objects.get().slot) == ("receiving", 0)


def test_a_nas_that_is_away_while_one_gives_way_stops_nobody(cut, uploads, monkeypatch, known_store):
    from services_app.store.errors import StoreUnavailable

    token, upload = cut

    def away(_):
        raise StoreUnavailable

    monkeypatch.setattr(known_store, "discard", away)
    assert uploads("PUT", "/u", token=token, body=ZIP).status_code == 201
    assert str(upload.id) in known_store.staged_names(), "for `recover`"


def test_nothing_of_an_upload_that_nobody_asked_about_is_judged_by_authorize():
    assert not hasattr(authorize, "takeover"), "a question before the body disturbs no running request"


@pytest.mark.parametrize(
    ("offset", "content", "fields", "status", "code"),
    [
        (len(ZIP), b"more", {}, 409, "already_committed"),
        (50, ZIP[50:], {}, 409, "wrong_offset"),
        (len(ZIP), b"", {"HTTP_UPLOAD_COMPLETE": "?0"}, 409, "already_committed"),
        (len(ZIP), b"", {"HTTP_UPLOAD_LENGTH": "7"}, 400, "inconsistent_length"),
        (len(ZIP), b"", {"HTTP_CONTENT_MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, 400, "checksum_differs"),
        (len(ZIP), b"", {"HTTP_CONTENT_RANGE": "bytes 0-1/2"}, 400, "partial_body"),
    ],
)
def test_a_refused_append_to_a_committed_upload_does_not_answer_for_the_file(cut, patch, offset, content, fields, status, code):
    token, upload = cut
    assert patch(upload, token, 50, ZIP[50:], **ietf(True)).status_code == 201
    answer = patch(upload, token, offset, content, **ietf(True) | fields)
    assert (answer.status_code, answer.json()["code"], answer["Upload-Complete"]) == (status, code, "?0")


def test_neither_is_one_that_was_committed_while_it_was_asked_about(cut, patch, monkeypatch):
    token, upload = cut
    real = takeover.seize

    def meanwhile(found, *args):
        patch(upload, token, 50, ZIP[50:], **TUS)
        return real(found, *args)

    monkeypatch.setattr(takeover, "seize", lambda *args: (monkeypatch.undo(), meanwhile(*args))[1])
    answer = patch(upload, token, 50, ZIP[50:], **ietf(True))
    assert (answer.status_code, answer.json()["code"], answer["Upload-Complete"]) == (409, "already_committed", "?0")
