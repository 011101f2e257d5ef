"""A NAS that fills up: who meets 507, what it gives back, and that those who come later find room."""

import contextlib
import os
import subprocess

import pytest

from services_app.store.current import current_store
from services_app.store.errors import StoreFull
from services_app.store.nas import LocalFileSystemStorage
from services_app.uploads import actions, errors, policies
from services_app.uploads.content import receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import takeover
from tests.services_app import making
from tests.services_app.making import announced, begun, claims_object, now_of, request_body

pytestmark = pytest.mark.django_db
MIB = 1 << 20
TUS = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
DRAFT = {"HTTP_UPLOAD_COMPLETE": "?1", "CONTENT_TYPE": "application/octet-stream"}


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory):
    """Where an ext4 of 24 MiB is mounted. Only root can."""
    place, image = tmp_path_factory.mktemp("disk"), tmp_path_factory.mktemp("image") / "ext4"
    with open(image, "wb") as file:
        file.truncate(24 * MIB)
    made = os.geteuid() == 0 and not any(
        subprocess.run(command, capture_output=True).returncode
        for command in (["mkfs.ext4", "-q", "-m", "0", image], ["mount", "-o", "loop", image, place])
    )
    if not made:
        pytest.skip("a file system of its own can only be mounted by root")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def full_nas(small_disk, settings, db):
    """A small file system as the NAS, empty."""
    from django.core.management import call_command

    settings.NAS_ROOT = small_disk / "nas"
    settings.NAS_ROOT.mkdir()
    call_command("init_store", collection=[making.COLLECTION], verbosity=0, stdout=open(os.devnull, "w"))
    yield settings.NAS_ROOT
    subprocess.run(["rm", "-r", settings.NAS_ROOT], check=True)


def staged(nas):
    return sum(path.stat().st_size for path in (nas / "staging").iterdir())


def ending(how, uploads, token, size, **meta):
    """The status of a request of `size` bytes in this way."""
    body = bytes(size)
    if how == "chunked":
        return uploads("PUT", "/u", token=token, body=body, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="")
    if how == "tus":
        meta |= {"HTTP_UPLOAD_LENGTH": str(size)} | TUS
    if how == "draft":
        meta |= DRAFT
    return uploads("PUT" if how == "whole" else "POST", "/u", token=token, body=body, **meta)


@pytest.mark.parametrize("how", ["chunked", "whole", "tus", "draft"])
def test_a_request_that_began_an_upload_and_met_a_full_store_leaves_nothing(
    how, full_nas, uploads, grant_token, monkeypatch
):
    # Its length is not seen to be too much: others took the room meanwhile.
    monkeypatch.setattr(policies, "_check_space", lambda *args, **more: None)
    reply = ending(how, uploads, token := grant_token(), 30 * MIB)
    assert (reply.status_code, reply.json()["code"]) == (507, "no_space")
    assert staged(full_nas) == 0 and (Upload.objects.get().state, Upload.objects.get().slot) == ("aborted", None)
    assert uploads("PUT", "/u", token=grant_token(), body=bytes(16 * MIB)).status_code == 201  # a stranger's
    assert uploads("PUT", "/u", token=token, body=b"smaller").status_code == 201  # its own next one


def test_an_append_that_met_a_full_store_gives_back_what_was_not_promised(full_nas, uploads, grant_token, monkeypatch):
    monkeypatch.setattr(policies, "_check_space", lambda *args, **more: None)
    token = grant_token()
    created = uploads("POST", "/u", token=token, body=bytes(5 * MIB), HTTP_UPLOAD_LENGTH=str(40 * MIB), **TUS)
    path = f"/u/{created['X-Upload-Id']}"
    reply = uploads("PATCH", path, token=token, body=bytes(35 * MIB), HTTP_UPLOAD_OFFSET=str(5 * MIB), **TUS)
    assert (reply.status_code, staged(full_nas)) == (507, 5 * MIB)
    assert (Upload.objects.get().state, Upload.objects.get().offset) == ("waiting", 5 * MIB)
    assert uploads("PUT", "/u", token=grant_token(), body=bytes(12 * MIB)).status_code == 201


def test_what_waits_is_room_for_nobody_before_its_sender_gives_it_up(full_nas, uploads, control, grant_token):
    token, size = grant_token(), 14 * MIB
    cut = uploads("PUT", "/u", token=token, body=bytes(size - 1), CONTENT_LENGTH=str(size))
    assert (cut.status_code, staged(full_nas)) == (400, size - 1)
    asked = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": str(size)}
    assert control("GET", "/authorize", token=grant_token(), **asked)["X-Upload-Verdict"] == "no_space"
    assert uploads("PUT", "/u", token=grant_token(), body=bytes(size)).status_code == 507
    assert control("GET", "/authorize", token=token, **asked)["X-Upload-Verdict"] == "no_space"
    assert uploads("PUT", "/u", token=token, body=bytes(size)).status_code == 507
    assert control("DELETE", f"/u/{Upload.objects.get().id}", token=token).status_code == 204
    assert uploads("PUT", "/u", token=token, body=bytes(size)).status_code == 201


def test_a_concatenation_that_met_a_full_store_leaves_its_parts_alone(full_nas, uploads, grant_token, monkeypatch):
    token, part = grant_token(), {"HTTP_UPLOAD_CONCAT": "partial", "HTTP_UPLOAD_LENGTH": str(7 * MIB)} | TUS
    parts = [uploads("POST", "/u", token=token, body=bytes(7 * MIB), **part)["X-Upload-Id"] for _ in range(2)]
    whole = {"HTTP_UPLOAD_CONCAT": "final;" + " ".join(f"/u/{each}" for each in parts), "HTTP_TUS_RESUMABLE": "1.0.0"}
    assert uploads("POST", "/u", token=token, **whole).status_code == 507
    assert staged(full_nas) == 14 * MIB and Upload.objects.filter(slot__isnull=False).count() == 0


@pytest.fixture
def room(known_store, monkeypatch):
    """A function: so many bytes are free."""

    def free(count):
        monkeypatch.setattr(LocalFileSystemStorage, "free_bytes", lambda _: count)

    return free


def told(act, *args):
    with contextlib.suppress(errors.NoSpace):
        act(*args)
        return True
    return False


def may_append(upload, size):
    policies.may_append(making.claims_of(upload), upload, size)


def test_of_uploads_that_do_not_fit_together_the_older_goes_first(room, known_store):
    """Left alone they would fill the store together, and none could go on."""
    older = begun(claims_object(), announced(80, protocol="tus"))
    room(98)
    assert not told(policies.may_upload, claims_object(), 80)
    assert told(policies.may_upload, claims_object(), 18)
    younger = begun(claims_object(), announced(80, protocol="tus"))
    assert told(may_append, older, 80) and not told(may_append, younger, 80)
    # What came in since the last checkpoint is neither free nor missing.
    with known_store.stage(older.id) as file:
        file.write(memoryview(bytes(50)))
    room(48)
    assert told(may_append, younger, 18) and not told(may_append, younger, 19)
    # Between two requests it is under way still; left alone for long, or given up, it is not.
    actions.wait(older, offset=50)
    assert not told(may_append, younger, 19)
    Upload.objects.filter(id=older.id).update(**making.over() | {"lease_until": older.lease_until - policies._UNDER_WAY_FOR})
    assert told(may_append, younger, 48)


def test_what_a_person_announced_and_did_not_send_leaves_the_others_their_share(room):
    """However it was begun; of so many persons each has its part of what is free."""
    room(100)
    for protocol, receiving in (("whole", True), ("tus", True), ("tus", False)):
        begun(claims_object(sub="u_greedy"), announced(100, protocol=protocol), receiving=receiving)
        assert told(policies.may_upload, claims_object(), 50) and not told(policies.may_upload, claims_object(), 51)
        assert not told(policies.may_upload, claims_object(sub="u_greedy"), 1), "its own announcements count in full"
    mine = begun(claims_object(), announced(50, protocol="tus"))
    begun(claims_object(sub="u_more"), announced(100, protocol="tus"))
    assert told(may_append, mine, 50), "younger ones count for nothing"
    assert told(policies.may_upload, claims_object(sub="u_new"), 25) and not told(policies.may_upload, claims_object(sub="u_new"), 26)
    room(-1)
    assert not told(policies.may_upload, claims_object(sub="u_new"), 0), "of the reserve there is no share"


def test_beside_another_person_a_younger_upload_goes_on_only_if_all_of_it_fits(room, known_store):
    """Together they would stand still: what it takes is the room of one that could be stored."""
    with known_store.stage((older := begun(claims_object(sub="u_older"), announced(80, protocol="tus"))).id) as file:
        file.write(memoryview(bytes(40)))
    younger = begun(claims_object(), announced(49, protocol="tus"))
    room(58)
    assert not told(may_append, younger, 19) and told(may_append, older, 40)
    assert told(may_append, younger, 18), "beside all that the older one lacks it takes what it likes"


def test_an_upload_of_unknown_length_takes_no_more_than_its_share_beside_another_persons(room, known_store):
    begun(claims_object(sub="u_older"), announced(80, protocol="tus"))
    endless = begun(claims_object(), announced(None, protocol="ietf"))
    room(98)
    assert told(policies.may_append, making.claims_of(endless), endless, 49)
    with known_store.stage(endless.id) as file:
        file.write(memoryview(bytes(49)))
    room(49)
    policies.check_room_left(endless)
    with known_store.stage(endless.id, 49) as file:
        file.write(memoryview(bytes(1)))
    room(48)
    with pytest.raises(StoreFull):
        policies.check_room_left(endless)


def test_an_upload_whose_process_died_keeps_no_room(room):
    making.abandon(begun(claims_object(), announced(80)))
    room(98)
    assert told(policies.may_upload, claims_object(), 80)


def test_two_resumable_uploads_that_do_not_fit_together_both_end(known_store, room, settings):
    """The younger one waits for room and goes on when somebody made some; the older one is stored."""
    size, settings.UPLOAD_SPACE_RESERVE = 80, 0
    claims = [claims_object(), claims_object()]
    both = [begun(each, announced(size, protocol="tus"), receiving=False) for each in claims]
    free, done = 98, []
    for turn in range(2 * size // 8):
        upload = now_of(both[turn % 2])
        room(free)
        if upload.state == "waiting" and told(may_append, upload, 8):
            receive.receive(takeover.seize(upload), request_body(bytes(8)), claims[turn % 2], receive.Append())
            free -= 8
        done.append(now_of(both[0]).state)
    assert now_of(both[0]).state == "committed" and now_of(both[1]).offset > 0
    assert current_store().staged_size(both[1].id) == now_of(both[1]).offset
