"""How a request can end, and what each end means for its bytes and for what is told: no clean-up changes the answer."""

import errno
import inspect

import pytest
from django import db
from django.db import transaction

from services_app.ledger.models import Entry
from services_app.store import errors as store_errors
from services_app.uploads import actions, errors, outage, recover
from services_app.uploads.content import ends
from services_app.uploads.content.ends import Fate
from services_app.uploads.models import Upload
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object, now_of

LOCKED = db.OperationalError("database is locked")
KEPT = (
    *(errors.BodyCutOff, errors.TooSlow, errors.DeadlinePassed, errors.AppendTooLarge, errors.NothingCame),
    *(errors.LengthNotReached, errors.GrantedLengthNotReached),
)
CUT_BACK = (
    *(errors.ChecksumDiffers, errors.TusChecksumDiffers, errors.LastBytesDiffer, errors.RequestMalformed, errors.NoProtocol),
    *(errors.StoreUnavailable, errors.DatabaseUnavailable, errors.TooMuchUnfinished, errors.TooMuchHere, errors.QuotaExceeded),
)


def every(module, base):
    found = (cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, base))
    return [cls for cls in found if cls is not base and cls is not errors.Unauthorised]


@pytest.mark.parametrize("kind", every(errors, errors.Problem), ids=lambda kind: kind.__name__)
def test_a_refusal_ends_the_upload_unless_the_table_says_that_it_may_go_on(kind):
    end = ends.of(kind())
    expected = Fate.KEPT if kind in KEPT else Fate.CUT_BACK if kind in CUT_BACK else Fate.GIVEN_UP
    assert (end.receiving, end.committing, end.told) == (expected, Fate.UNCERTAIN, None)


@pytest.mark.parametrize(
    ("fault", "receiving", "told"),
    [
        (store_errors.StagedBytesLost(), Fate.GIVEN_UP, errors.UploadGone),
        (store_errors.StoreFull(), Fate.CUT_BACK, errors.NoSpace),
        (store_errors.StoreUnavailable(), Fate.CUT_BACK, errors.StoreUnavailable),
        (store_errors.StoreUncertain(), Fate.CUT_BACK, errors.StoreUnavailable),
        (LOCKED, Fate.CUT_BACK, None),
        (RuntimeError(), Fate.CUT_BACK, None),
        (KeyboardInterrupt(), Fate.CUT_BACK, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_destroys_nothing_that_was_promised_unless_it_is_lost_already(fault, receiving, told):
    end = ends.of(fault)
    assert (end.receiving, end.committing, end.told) == (receiving, Fate.UNCERTAIN, told)


def test_a_lease_that_was_lost_leaves_everything_to_who_has_it():
    end = ends.of(actions.LeaseLost())
    assert (end.receiving, end.committing, end.told) == (Fate.THEIRS, Fate.THEIRS, errors.UploadInProgress)


def test_every_fate_is_brought_about():
    assert set(ends._BRING_ABOUT) == set(Fate)


@pytest.mark.parametrize(
    ("fault", "away"),
    [
        *((kind("x"), True) for kind in (db.OperationalError, db.InterfaceError, db.InternalError, db.DatabaseError)),
        *((kind("x"), False) for kind in (db.IntegrityError, db.ProgrammingError, db.DataError, db.NotSupportedError)),
        (transaction.TransactionManagementError("x"), False),
        (OSError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_database_that_is_away_is_told_from_a_fault_of_our_own(fault, away):
    assert outage.is_of_the_database(fault) is away


def broken(*args, **kwargs):
    raise LOCKED


ZIP = making.a_zip()
PASSING = (503, "database_unavailable")


@pytest.fixture
def put(uploads, grant_token):
    """A function: PUT this under one good token of this test; the status and the code of a refusal."""
    token = grant_token(max_uploads=1)

    def put(content=ZIP, **meta):
        reply = uploads("PUT", "/u", token=token, body=content, **meta)
        if reply.status_code == 503:
            assert int(reply["Retry-After"]) > 0
        return reply.status_code, reply.json().get("code")

    put.token = token
    return put


STEPS = ["create", "begin_commit", "complete"]
CLEAN_UP = ["release", "abort", "wait", "keep_lease", "note_refusal"]


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize("first", range(len(STEPS)), ids=STEPS)
def test_a_database_that_fails_from_some_step_on_is_503_and_the_truth_is_found_later(put, nas, monkeypatch, first):
    with monkeypatch.context() as patch:
        for step in STEPS[first:] + CLEAN_UP:
            patch.setattr(actions, step, broken)
        assert put() == PASSING
    visible = [path for path in (nas / "collections").rglob("*") if path.is_file()]
    assert len(visible) == (STEPS[first] == "complete")
    # Later, when it is back and the lease has run out:
    for upload in Upload.objects.filter(state__in=("receiving", "committing")):
        making.abandon(upload)
        recover.settle_stale_uploads_of(upload.grant_id)
    if visible:
        assert (Upload.objects.get().state, put()[0]) == ("committed", 409)
    else:
        assert put() == (201, None)
    assert [entry.event for entry in Entry.objects.all()].count("committed") == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize("cleanup", CLEAN_UP)
@pytest.mark.parametrize(
    ("content", "meta", "told"),
    [
        (b"%PDF-1.7 no zip", {}, (415, "type_refused")),
        (ZIP, {"HTTP_REPR_DIGEST": "sha-256=:" + "A" * 43 + "=:"}, (400, "digest_differs")),
        (ZIP, {"CONTENT_LENGTH": str(len(ZIP) + 1)}, (400, "body_cut_off")),
    ],
)
def test_a_refusal_stays_what_it_is_when_its_clean_up_fails(
    uploads, grant_token, monkeypatch, cleanup, content, meta, told
):
    monkeypatch.setattr(actions, cleanup, broken)
    token = grant_token(media_types=["application/zip"])
    reply = uploads("PUT", "/u", token=token, body=content, **meta)
    assert (reply.status_code, reply.json()["code"]) == told


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
def test_a_discard_that_fails_changes_no_answer(uploads, control, grant_token, known_store, monkeypatch):
    def full(*args):
        raise store_errors.StoreUnavailable

    token = grant_token(media_types=["application/zip"])
    monkeypatch.setattr(known_store, "discard", full)
    assert uploads("PUT", "/u", token=token, body=b"%PDF-1.7 no zip").status_code == 415
    uploads("PUT", "/u", token=token, body=ZIP[:5], CONTENT_LENGTH="99")
    assert control("DELETE", f"/u/{Upload.objects.get(slot=0).id}", token=token).status_code == 204
    assert uploads("PUT", "/u", token=token, body=ZIP).status_code == 201


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
def test_a_verdict_is_given_although_it_cannot_be_noted(control, grant_token, monkeypatch):
    monkeypatch.setattr(actions, "note_refusal", broken)
    asked = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": str(1 << 40)}
    assert control("GET", "/authorize", token=grant_token(), **asked)["X-Upload-Verdict"] == "too_large"


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize("path", ["/u", "/authorize", "/internal/v1/grants/019ab0c0-0000-7000-8000-000000000001"])
def test_a_question_to_a_database_that_is_away_is_503_with_retry_after(control, grant_token, monkeypatch, path):
    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", broken)
    monkeypatch.setattr("django.db.models.query.QuerySet.exists", broken)
    asked = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": "9"}
    peer = making.Connection(making.WEB_APP) if "internal" in path else None
    token = making.INTERNAL_KEY if "internal" in path else grant_token()
    reply = control("GET", path, token=token, peer=peer, **asked)
    if path == "/authorize":
        assert (reply.status_code, reply["X-Upload-Verdict"]) == (403, "database_unavailable")
    else:
        assert (reply.status_code, reply.json()["code"]) == PASSING and reply["Retry-After"]


@pytest.mark.django_db
@pytest.mark.usefixtures("known_store")
@pytest.mark.parametrize("offset", [0, 3])
def test_what_was_not_promised_is_cut_off_at_once_so_that_others_have_the_space(known_store, nas, offset):
    upload = begun(claims_object(), announced(None))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(b"promised, and then more"))
        staged.checkpoint()
    if offset:
        actions.checkpoint(upload, offset=offset)
    ends.meet(upload, store_errors.StoreFull())
    assert (now_of(upload).state, now_of(upload).offset, now_of(upload).problem) == ("waiting", offset, "no_space")
    staged = nas / "staging" / str(upload.id)
    assert (staged.read_bytes() if staged.exists() else b"") == b"pro"[:offset]


def test_the_errno_of_a_full_disk_is_that_of_a_full_store():
    for code in (errno.ENOSPC, errno.EDQUOT):
        assert isinstance(store_errors.from_os_error(OSError(code, "x")), store_errors.StoreFull)
