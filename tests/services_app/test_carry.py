"""Bytes are carried out of the reach of a writer that may wake up, and of nobody else's; never while somebody waits for it."""

import os
import threading

import pytest

from services_app.store import folders
from services_app.store.errors import StoreFull
from services_app.uploads import actions, recover
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object, now_of
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("known_store")]
CONTENT = b"promised before the power went"


@pytest.fixture
def silent(known_store, monkeypatch):
    """An upload whose owner, by default a process that lives, keeps silent; with more staged than was promised."""
    monkeypatch.setattr(leases, "one_host", lambda: False)
    monkeypatch.setattr(recover, "_AT_ONCE", 0)
    upload = begun(claims_object(), announced(None))
    with known_store.stage(upload.id) as staged:
        staged.write(memoryview(CONTENT + b", and not promised"))
        staged.checkpoint()
    actions.checkpoint(upload, offset=len(CONTENT))
    return making.abandon(upload)


@pytest.fixture
def copied(monkeypatch):
    """Bytes that were copied."""
    counts, real = [], folders.copy
    monkeypatch.setattr(folders, "copy", lambda *args: (counts.append(sum(count for _, count in args[1])), real(*args)))
    return counts


def inode(nas, upload):
    return os.stat(nas / "staging" / str(upload.id)).st_ino


def waits(nas, upload):
    now = now_of(upload)
    content = (nas / "staging" / str(upload.id)).read_bytes()
    assert (now.state, now.offset, content) == ("waiting", len(CONTENT), CONTENT)
    assert os.listdir(nas / "staging") == [str(upload.id)]


def earlier_boot(_):
    host, _, namespace = leases.owner().rsplit(":", 2)[0].split("/")
    return f"{host}/an-earlier-boot/{namespace}:1:1"


def ended_process(_):
    return leases.owner().rpartition(":")[0] + ":1"


@pytest.mark.parametrize("owner", [earlier_boot, ended_process])
def test_after_the_end_of_a_process_or_of_its_boot_nothing_is_copied(silent, nas, copied, owner):
    Upload.objects.update(owner=owner(silent), lease_boot="another")
    before = inode(nas, silent)
    assert recover.settle(now_of(silent)) == "waiting"
    assert (copied, inode(nas, silent)) == ([], before)
    waits(nas, silent)


def test_what_is_carried_away_quickly_is_there_for_who_asked(silent, nas, copied):
    before = inode(nas, silent)
    assert recover.settle(silent) == "waiting"
    assert copied == [len(CONTENT)] and inode(nas, silent) != before
    waits(nas, silent)


@pytest.fixture
def slow(known_store, monkeypatch):
    """A store that carries for as long as the test wants."""
    go_on, real = threading.Event(), known_store.reseat
    monkeypatch.setattr(recover, "_PROMPTLY", 0)
    monkeypatch.setattr(known_store, "reseat", lambda *args: (go_on.wait(10), real(*args)))
    yield go_on
    go_on.set()


@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "PUT", "DELETE"])
def test_a_question_is_answered_while_gigabytes_are_carried(
    silent, nas, slow, control, uploads, grant_token, method, monkeypatch
):
    monkeypatch.setattr("services_app.uploads.ownership.takeover.PATIENCE", 0.05)
    token, append = grant_token(jti=str(silent.grant_id)), {"HTTP_UPLOAD_OFFSET": str(len(CONTENT)), "body": b"x"}
    tus = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}

    def ask():
        if method == "PUT":
            return uploads("PUT", "/u", token=token, body=making.a_zip())
        if method == "PATCH":
            return uploads("PATCH", f"/u/{silent.id}", token=token, **append, **tus)
        return control(method, f"/u/{silent.id}", token=token)

    for _ in range(2):
        reply = ask()
        assert (reply.status_code, now_of(silent).state) == (200 if method == "GET" else 423, "receiving")
        assert method == "GET" or reply["Retry-After"]
    assert [thread.name for thread in threading.enumerate()].count("sluice-carry") == 1
    slow.set()
    wait_for(lambda: now_of(silent).state == "waiting", 5)
    waits(nas, silent)
    assert ask().status_code == {"PATCH": 204, "PUT": 201, "DELETE": 204}.get(method, 200)


def test_a_store_that_is_too_full_to_carry_loses_nothing_and_is_asked_again(
    silent, nas, known_store, control, grant_token, monkeypatch
):
    def full(*args):
        raise StoreFull

    token = grant_token(jti=str(silent.grant_id))
    (nas / "staging" / f"{silent.id}.0123").write_bytes(b"of an earlier try")
    with monkeypatch.context() as patch:
        patch.setattr(known_store, "reseat", full)
        reply = control("HEAD", f"/u/{silent.id}", token=token)
        assert (reply.status_code, now_of(silent).offset) == (503, len(CONTENT)) and reply["Retry-After"]
    assert control("HEAD", f"/u/{silent.id}", token=token)["Upload-Offset"] == str(len(CONTENT))
    waits(nas, silent)
