"""tus concatenation: one upload out of finished parts, or none and a free grant."""

import errno
import hashlib
import os
from datetime import timedelta

import pytest

from services_app.ledger import verify
from services_app.store import durable
from services_app.store.errors import StagedBytesLost, StoreFull, StoreUnavailable
from services_app.uploads import actions, errors, prune, recover
from services_app.uploads.content import concat, receive
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases, writers
from tests.services_app.making import announced, begun, claims_object, now_of, request_body, some_uuid, stored_files

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("known_store")]
PARTS = (b"the first", b"", b", the second", b" and the third")
WHOLE = b"".join(PARTS)


@pytest.fixture
def claims():
    return claims_object()


@pytest.fixture
def part(claims):
    """A function: a part of this content, finished unless told otherwise."""

    def part(content, length=None, of=None):
        new = announced(len(content) if length is None else length, protocol="tus", concat="partial")
        upload = begun(of or claims, new)
        receive.receive(upload, request_body(content), of or claims, receive.Append())
        assert upload.state == "waiting" and upload.slot is None
        return upload

    return part


def final(claims, *parts):
    urls = " ".join(f"/u/{part if isinstance(part, str) else part.id}" for part in parts)
    return concat.create_final(claims, announced(None, protocol="tus", concat=f"final;{urls}"), "https://upload.example:8443/u/token")


def no_final_is_left(nas, parts, problem):
    upload = Upload.objects.exclude(concat="partial").get()
    assert (upload.state, upload.slot, upload.problem) == ("aborted", None, problem)
    assert {name.split("/")[0] for name in stored_files(nas)} <= {"staging"}
    assert {name.split("/")[1] for name in stored_files(nas)} == {str(part.id) for part in parts}


def test_the_parts_become_one_object_in_the_order_that_was_named(claims, part, known_store):
    parts = [part(content) for content in PARTS]
    upload = final(claims, *parts)
    assert (upload.state, upload.size, upload.slot) == ("committed", len(WHOLE), 0) and upload.receipt
    assert known_store.path(actions.object_name(upload)).read_bytes() == WHOLE
    assert upload.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert known_store.staged_names() == []


def test_a_part_is_used_once_in_any_order_and_goes_with_the_commit(part, known_store, nas):
    claims = claims_object(max_uploads=2)
    one, other, rest = (part(content, of=claims) for content in (b"one", b"other", b"rest"))
    upload = final(claims, other, one)
    assert known_store.path(actions.object_name(upload)).read_bytes() == b"otherone"
    assert [now_of(each).state for each in (one, other, rest)] == ["aborted", "aborted", "waiting"]
    assert known_store.staged_names() == [str(rest.id)] and not list(verify.broken_entries())
    with pytest.raises(errors.RequestMalformed):
        final(claims, one)


@pytest.mark.parametrize("case", ["repeated", "too large together", "no room"])
def test_what_can_be_known_is_judged_before_a_byte_is_copied(case, part, known_store, monkeypatch):
    claims = claims_object(max_size=20, max_uploads=2)
    one, other = part(b"x" * 12, of=claims), part(b"y" * 12, of=claims)
    parts, refused = {"repeated": ([one, other, one], errors.PartRepeated), "too large together": ([one, other], errors.TooLarge)}.get(
        case, ([one], errors.NoSpace)
    )
    if case == "no room":
        monkeypatch.setattr(known_store, "free_bytes", lambda: 11)
    monkeypatch.setattr(known_store, "concatenate", lambda *_: pytest.fail("a byte was copied"))
    with pytest.raises(refused):
        final(claims, *parts)
    assert now_of(one).state == now_of(other).state == "waiting"


def test_a_concatenation_stops_where_the_room_ends(claims, part, nas, known_store, settings, monkeypatch):
    monkeypatch.setattr(durable, "COPY_AT_ONCE", 5)
    settings.UPLOAD_SPACE_RESERVE = 1
    parts, asked = [part(b"x" * 12)], []

    def looked():
        asked.append(None)
        return 1 << 40 if len(asked) < 4 else 0

    monkeypatch.setattr(known_store, "free_bytes", looked)
    with pytest.raises(errors.NoSpace):
        final(claims, *parts)
    no_final_is_left(nas, parts, "no_space")


def test_bytes_of_which_nobody_said_how_many_stop_before_the_reserve(uploads, grant_token, nas, known_store, settings, monkeypatch):
    monkeypatch.setattr(receive, "ROOM_EVERY", 1)
    said = {"HTTP_UPLOAD_COMPLETE": "?0", "HTTP_UPLOAD_DRAFT_INTEROP_VERSION": "8"}
    made = uploads("POST", "/u", token=grant_token(), body=b"first", **said)
    upload = Upload.objects.get()
    assert made.status_code == 201 and upload.offset == 5
    settings.UPLOAD_SPACE_RESERVE, real = 1 << 30, known_store.free_bytes
    looks = iter([1 << 40, 0])  # there is room as it begins, and then none
    monkeypatch.setattr(known_store, "free_bytes", lambda: next(looks, 0) if settings.UPLOAD_SPACE_RESERVE else real())
    again = grant_token(jti=str(upload.grant_id))
    more = {**said, "HTTP_UPLOAD_OFFSET": "5", "CONTENT_TYPE": "application/partial-upload"}
    refused = uploads("PATCH", f"/u/{upload.id}", token=again, body=b"more", **more)
    assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
    assert (now_of(upload).state, now_of(upload).offset) == ("waiting", 5)
    assert (nas / "staging" / str(upload.id)).read_bytes() == b"first"


@pytest.mark.parametrize("state", [None, b"", b"of another make"])
def test_the_digest_is_right_also_when_the_first_parts_state_is_lost(claims, part, state):
    parts = [part(content) for content in PARTS]
    Upload.objects.update(digest_state=state)
    assert final(claims, *parts).sha256 == hashlib.sha256(WHOLE).hexdigest()


def test_what_lies_behind_a_parts_end_is_not_taken_along(claims, part, nas, known_store):
    one = part(b"one")
    with (nas / "staging" / str(one.id)).open("ab") as file:
        file.write(b"left by a request that was cut off")
    assert known_store.path(actions.object_name(final(claims, one, part(b"two")))).read_bytes() == b"onetwo"


def test_a_part_that_is_none_is_refused_and_nothing_begins(claims, part):
    plain = begun(claims_object(), announced())
    for bad in (some_uuid(), plain.id, part(b"half", length=9).id, part(b"foreign", of=claims_object()).id):
        with pytest.raises(errors.RequestMalformed):
            final(claims, part(b"good"), str(bad))
    assert not Upload.objects.filter(concat__startswith="final;").exists()


@pytest.mark.parametrize(
    ("fault", "told"),
    [(StagedBytesLost, "upload_gone"), (StoreFull, "no_space"), (StoreUnavailable, "store_unavailable")],
)
def test_a_store_that_fails_frees_the_grant_at_once(claims, part, nas, known_store, monkeypatch, fault, told):
    parts = [part(b"one"), part(b"two")]

    def failing(*args):
        raise fault

    with monkeypatch.context() as patch, pytest.raises(errors.Problem) as refusal:
        patch.setattr(known_store, "concatenate", failing)
        final(claims, *parts)
    assert refusal.value.code == told
    no_final_is_left(nas, parts, told)
    assert final(claims, *parts).state == "committed"


def test_a_sync_of_the_whole_that_fails_is_not_tried_again(claims, part, nas, monkeypatch):
    parts, calls = [part(b"one"), part(b"two")], []

    def failing(fd):
        calls.append(fd)
        raise OSError(errno.EIO, "io")

    with monkeypatch.context() as patch, pytest.raises(errors.StoreUnavailable):
        patch.setattr(os, "fsync", failing)
        final(claims, *parts)
    assert len(calls) == 1
    no_final_is_left(nas, parts, "store_unavailable")


def test_a_refusal_of_the_whole_frees_the_grant(part, nas):
    claims = claims_object(media_types=["application/zip"])
    parts = [part(b"no zip", of=claims)]
    with pytest.raises(errors.TypeRefused) as refusal:
        final(claims, *parts)
    no_final_is_left(nas, parts, "type_refused")
    assert refusal.value.detected == Upload.objects.exclude(concat="partial").get().media_type == "text/plain"


def test_a_store_that_fails_while_publishing_leaves_the_commit_to_who_asks_next(claims, part, known_store, monkeypatch):
    parts = [part(b"one"), part(b"two")]

    def failing(*args, **kwargs):
        raise OSError(errno.EDQUOT, "quota")

    with monkeypatch.context() as patch, pytest.raises(errors.StoreUnavailable):
        patch.setattr(os, "link", failing)
        final(claims, *parts)
    assert Upload.objects.exclude(concat="partial").get().state == "committing"
    recover.settle_stale_uploads_of(claims.jti)
    upload = Upload.objects.select_related("grant").exclude(concat="partial").get()
    assert upload.state == "committed"
    assert known_store.path(actions.object_name(upload)).read_bytes() == b"onetwo"


def test_a_concatenation_that_was_taken_for_dead_changes_nothing_more(claims, part, known_store, monkeypatch):
    parts, real = [part(b"one"), part(b"two")], known_store.concatenate

    def meanwhile(*args):
        real(*args)
        Upload.objects.exclude(concat="partial").update(generation=9, contender=9)

    monkeypatch.setattr(known_store, "concatenate", meanwhile)
    with pytest.raises(errors.UploadInProgress):
        final(claims, *parts)
    assert Upload.objects.exclude(concat="partial").get().state == "receiving"
    assert not writers._writers


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_the_file_system_cannot_share_bytes_they_are_copied(claims, part, known_store, monkeypatch, code):
    def cannot(*args, **kwargs):
        raise OSError(code, "cannot")

    monkeypatch.setattr(os, "copy_file_range", cannot)
    parts = [part(b"x" * (1 << 20)), part(b"y" * 3)]
    assert known_store.path(actions.object_name(final(claims, *parts))).read_bytes() == b"x" * (1 << 20) + b"yyy"


def test_a_source_that_is_shorter_than_promised_is_never_padded(store, nas):
    one, target = some_uuid(), some_uuid()
    (nas / "staging" / str(one)).write_bytes(b"short")
    with pytest.raises(StagedBytesLost):
        store.concatenate([(one, 6)], target)
    assert not (nas / "staging" / str(target)).exists()


def test_copies_are_durable_before_they_are_used(store, nas, monkeypatch):
    one, target, synced = some_uuid(), some_uuid(), []
    (nas / "staging" / str(one)).write_bytes(b"bytes")
    real = durable.sync_and_close
    monkeypatch.setattr(
        durable, "sync_and_close", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), real(fd))
    )
    store.concatenate([(one, 5)], target)
    assert synced == [str(nas / "staging" / str(target))]
    store.reseat(one, 3)
    assert synced[1].startswith(str(nas / "staging" / f"{one}."))
    assert (nas / "staging" / str(one)).read_bytes() == b"byt" and len(list((nas / "staging").iterdir())) == 2


def test_no_token_is_kept_of_the_urls_of_parts_and_head_gives_them_back_as_they_came(control, uploads, grant_token, settings):
    token, tus = grant_token(), {"HTTP_TUS_RESUMABLE": "1.0.0"}
    base = {"HTTP_X_UPLOAD_BASE": f"https://upload.example:8443/u/{token}"}
    typed = {"CONTENT_TYPE": "application/offset+octet-stream", "HTTP_UPLOAD_CONCAT": "partial", **tus}
    bodies = (b"first", b"other", b"third")
    made = [uploads("POST", "/u", token=token, body=body, HTTP_UPLOAD_LENGTH="5", **typed, **base) for body in bodies]
    a, b, c = (answer["Location"] for answer in made)
    said = f"final;{a} {token}/{b.rpartition('/')[2]} {c.rpartition('/')[2]}"
    whole = uploads("POST", "/u", token=token, HTTP_UPLOAD_CONCAT=said, **tus, **base)
    assert whole.status_code == 201, whole.content
    upload = Upload.objects.get(state="committed")
    assert not Upload.objects.filter(state="waiting").exists(), "each part goes with the commit, however it was named"
    assert token not in "".join(map(str, Upload.objects.values_list("concat", "metadata", "safe_name", "receipt")))
    head = control("HEAD", f"/u/{upload.id}", token=token, **tus, **base)
    assert head["Upload-Concat"] == said
    bare = control("HEAD", f"/u/{upload.id}", token=token, HTTP_X_UPLOAD_BASE="https://upload.example:8443/u", **tus)
    assert bare["Upload-Concat"] == said.replace(f"{token}/", "")
    prune.prune()
    assert now_of(upload).concat
    Upload.objects.filter(id=upload.id).update(durable_at=leases.now() - timedelta(seconds=settings.TOKEN_MAX_LIFE + 60), metadata="x YQ==")
    assert prune.prune()["names"] == 1
    assert (now_of(upload).concat, now_of(upload).metadata, bool(now_of(upload).safe_name)) == ("", "", True)
    assert prune.prune()["names"] == 0
