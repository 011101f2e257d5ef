"""Where the process may begin no more threads for a moment: told as passing, and over with that moment."""

import hashlib
import threading

import pytest

from services_app.uploads import actions, errors, recover
from services_app.uploads.content import prefix
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, writers
from tests.services_app.making import a_zip, abandon, announced, begun, claims_object, over, some_uuid

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = a_zip(b"content" * 100)


@pytest.fixture
def exhausted(monkeypatch):
    """A function: no thread of this name begins, until the function is called that it returns."""

    def until(name):
        start = threading.Thread.start

        def refused(thread):
            if thread.name == name:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refused)
        return lambda: monkeypatch.setattr(threading.Thread, "start", start)

    return until


def test_the_store_is_looked_at_again(control, known_store, exhausted):
    again = exhausted("sluice-checkup")
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["store"]) == (503, "failing (no thread)")
    again()
    assert control("GET", "/readyz").status_code == 200


def test_an_upload_is_not_held_by_the_request_that_could_not_begin(control, uploads, known_store, grant_token, monkeypatch, exhausted):
    monkeypatch.setattr(writers, "_watcher", None)
    again, token = exhausted("sluice-takeovers"), grant_token()
    answer = uploads("PUT", "/u", token=token, body=CONTENT)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    again()
    assert not writers._writers, "or its lease would be renewed for ever"
    Upload.objects.update(**over())
    assert uploads("PUT", "/u", token=token, body=CONTENT).status_code == 201


def test_a_lost_prefix_is_read_by_whoever_asks_for_its_digest(store, exhausted):
    exhausted("sluice-prefix")
    with store.stage(some_uuid()) as staged:
        staged.write(memoryview(CONTENT))
        assert prefix.FollowingDigest(staged).hexdigest() == hashlib.sha256(CONTENT).hexdigest()


def test_bytes_that_could_not_be_carried_away_are_free_for_who_comes_next(known_store, monkeypatch, exhausted):
    again = exhausted("sluice-carry")
    monkeypatch.setattr(leases, "one_host", lambda: False)
    monkeypatch.setattr(recover, "_AT_ONCE", 0)
    upload = begun(claims_object(), announced(None))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(CONTENT))
        staged.checkpoint()
    actions.checkpoint(upload, offset=len(CONTENT))
    upload = abandon(upload)
    with pytest.raises(errors.Busy):
        recover.settle(upload)
    again()
    (stale,) = recover.stale_uploads()
    assert recover.settle(stale) == "waiting"
