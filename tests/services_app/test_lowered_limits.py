"""The limits of the token with which a request comes count for that request; what was acknowledged stays (ADR 0028)."""

import pytest

from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases
from tests.services_app.making import a_zip, now_of, uuid7
from tests.services_app.test_authorize import ask  # noqa: F401  the fixture

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]

ZIP = a_zip()
SAFE = 40  # bytes that were acknowledged under the older token
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
IETF = {"HTTP_UPLOAD_COMPLETE": "?0", "CONTENT_TYPE": "application/partial-upload"}
CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
LENGTH = {"HTTP_UPLOAD_LENGTH": str(len(ZIP))}
PART = {"HTTP_UPLOAD_CONCAT": "partial"}
DEFERRED = {"HTTP_UPLOAD_DEFER_LENGTH": "1"}
AT = {"HTTP_UPLOAD_OFFSET": str(SAFE)}
RANGE = {"HTTP_CONTENT_RANGE": f"bytes {SAFE}-{len(ZIP) - 1}/{len(ZIP)}"}
MORE = ZIP[SAFE:]

# How it began, and how it is gone on with under a token whose limit is one byte less than the file has.
WAYS = {
    "tus": (TUS | LENGTH, "PATCH", TUS | AT, MORE[:5]),
    "tus chunked": (TUS | LENGTH, "PATCH", TUS | AT | CHUNKED, MORE),
    "tus part": (TUS | LENGTH | PART, "PATCH", TUS | AT, MORE[:5]),
    "tus, length told now": (TUS | DEFERRED, "PATCH", TUS | AT | LENGTH, MORE[:5]),
    "tus, no length": (TUS | DEFERRED, "PATCH", TUS | AT, MORE),
    "tus chunked, no length": (TUS | DEFERRED, "PATCH", TUS | AT | CHUNKED, MORE),
    "ietf": (IETF | LENGTH, "PATCH", IETF | AT, MORE[:5]),
    "ietf chunked": (IETF | LENGTH, "PATCH", IETF | AT | CHUNKED, MORE),
    "ietf, length told now": (IETF, "PATCH", IETF | AT | LENGTH, MORE[:5]),
    "ietf, no length": (IETF, "PATCH", IETF | AT, MORE),
    "ietf chunked, no length": (IETF, "PATCH", IETF | AT | CHUNKED, MORE),
    "the rest of a PUT": (IETF | LENGTH, "PUT", RANGE, MORE),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_an_upload_that_is_longer_than_the_renewed_token_allows_goes_on_under_it_no_more(uploads, grant_token, way):
    begins, method, goes_on, body = WAYS[way]
    jti = uuid7()
    old = grant_token(jti=jti, max_size=len(ZIP))
    uploads("POST", "/u", token=old, body=ZIP[:SAFE], **begins)
    upload = Upload.objects.get()
    assert upload.offset == SAFE
    low = grant_token(jti=jti, max_size=len(ZIP) - 1, upload_id=str(upload.id))
    path = f"/u/{upload.id}"
    refused = uploads(method, "/u" if method == "PUT" else path, token=low, body=body, **goes_on)
    assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    kept = now_of(upload)
    assert kept.state == "waiting" and SAFE <= kept.offset < len(ZIP), "what was acknowledged stays"
    if "length" not in way:
        done = uploads("PATCH", path, token=old, body=MORE, **AT, **{k: v for k, v in begins.items() if "LENGTH" not in k})
        assert done.status_code in (201, 204), "under the older token, while that lives"


def test_it_is_told_at_the_door(ask, uploads, grant_token):  # noqa: F811
    jti = uuid7()
    uploads("POST", "/u", token=grant_token(jti=jti), body=ZIP[:SAFE], **TUS, **LENGTH)
    upload = Upload.objects.get()
    low = grant_token(jti=jti, max_size=len(ZIP) - 1, upload_id=str(upload.id))
    assert ask("PATCH", f"/{upload.id}", length="5", token=low)[1] == "too_large"
    assert ask("PATCH", f"/{upload.id}", length="5", token=grant_token(jti=jti))[1] is None


def test_parts_have_no_more_room_together_than_the_renewed_token_gives(uploads, grant_token):
    jti = uuid7()
    for _ in range(2):
        uploads("POST", "/u", token=grant_token(jti=jti, max_size=100), body=b"x" * 20, **TUS, **PART, HTTP_UPLOAD_LENGTH="50")
    upload = Upload.objects.last()
    low = grant_token(jti=jti, max_size=99, upload_id=str(upload.id))
    at = {"HTTP_UPLOAD_OFFSET": "20"}
    assert uploads("PATCH", f"/u/{upload.id}", token=low, body=b"x", **TUS, **at).status_code == 413
    assert now_of(upload).offset == 20


def test_fewer_files_than_are_stored_already_take_no_more(ask, uploads, grant_token):  # noqa: F811
    jti = uuid7()
    assert uploads("PUT", "/u", token=grant_token(jti=jti, max_uploads=2), body=ZIP).status_code == 201
    uploads("POST", "/u", token=grant_token(jti=jti, max_uploads=2), body=ZIP[:SAFE], **TUS, **LENGTH)
    upload = Upload.objects.get(offset=SAFE)
    few = grant_token(jti=jti, max_uploads=1, upload_id=str(upload.id))
    assert ask("PATCH", f"/{upload.id}", length="5", token=few)[1] == "already_committed"
    refused = uploads("PATCH", f"/u/{upload.id}", token=few, body=MORE, **TUS, **AT)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_committed")
    assert now_of(upload).offset == SAFE


@pytest.mark.parametrize(("body", "fields"), [(MORE, {}), (b"", {}), (MORE, CHUNKED)], ids=["bytes", "none", "chunked"])
def test_fewer_files_than_run_already_begin_no_other(ask, uploads, grant_token, monkeypatch, body, fields):  # noqa: F811
    """Of two that were begun under an older token only as many run, and so can become objects, as the newer one allows."""
    jti = uuid7()
    for _ in range(2):
        uploads("POST", "/u", token=grant_token(jti=jti, max_uploads=2), body=ZIP[:SAFE], **TUS, **LENGTH)
    runs, waits = Upload.objects.order_by("id")
    few = grant_token(jti=jti, max_uploads=1)
    Upload.objects.filter(id=runs.id).update(state="receiving", generation=2, contender=2, owner=leases.owner(), **leases.held())
    assert ask("PATCH", f"/{waits.id}", length="5", token=few)[1] == "upload_in_progress"
    for judged_before in (False, True):
        if judged_before:  # its rival began a moment after it was judged
            monkeypatch.setattr("services_app.uploads.policies.may_append", lambda *_, **__: None)
        refused = uploads("PATCH", f"/u/{waits.id}", token=few, body=body, **TUS, **AT, **fields)
        assert (refused.status_code, refused.json()["code"]) == (423, "upload_in_progress")
        assert now_of(waits).state == "waiting" and now_of(waits).offset == SAFE
    Upload.objects.filter(id=runs.id).update(state="waiting", **leases.let_go())
    done = uploads("PATCH", f"/u/{waits.id}", token=few, body=MORE, **TUS, **AT)
    assert done.status_code == 204 and now_of(waits).state == "committed"
