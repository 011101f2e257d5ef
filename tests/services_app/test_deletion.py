"""Deletion: off unless it is allowed, into a trash and back, in the ledger with a signature, for good when its time is over (ADR 0042)."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from services_app.ledger import record
from services_app.ledger.models import Entry
from services_app.store import folders, trash
from services_app.uploads import actions, quotas, removal
from services_app.uploads.models import Upload
from services_app.uploads.ownership import leases
from tests.services_app.making import (
    COLLECTION,
    INTERNAL_KEY,
    WEB_APP,
    Connection,
    a_zip,
    announced,
    claims_object,
    now_of,
    received,
    request_body,
    uuid7,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def stored(known_store):
    return received(request_body(a_zip()), claims_object(jti=uuid7()), announced(len(a_zip())))


@pytest.fixture
def delete(control):
    return lambda upload: control("DELETE", f"/internal/v1/objects/{upload.id}", peer=Connection(WEB_APP), token=INTERNAL_KEY)


def events():
    return list(Entry.objects.order_by("seq").values_list("event", flat=True))


def said(capsys, command, *options):
    try:
        call_command(command, *options)
    except CommandError as exc:
        return exc.returncode, str(exc) + "".join(capsys.readouterr())
    return 0, "".join(capsys.readouterr())


def later(monkeypatch, days):
    now = leases.now
    monkeypatch.setattr(leases, "now", lambda: now() + timedelta(days=days))


def test_nobody_deletes_unless_an_operator_allows_it(stored, delete, known_store, settings, monkeypatch):
    from services_app.config import settings as configured

    assert configured.DELETION_FROM_WEB is False, "by default"
    settings.DELETION_FROM_WEB = False
    refused = delete(stored)
    assert (refused.status_code, refused.json()["code"]) == (403, "peer_forbidden")
    assert known_store.exists(actions.object_name(stored)) and events() == ["committed"]


def test_what_is_deleted_waits_in_the_trash_and_comes_back_as_it_was(stored, delete, known_store, nas, capsys):
    path = nas / "collections" / actions.object_name(stored)
    before, folder = path.read_bytes(), path.parent
    receipt, inode = stored.receipt, path.stat().st_ino
    assert delete(stored).status_code == 204
    assert not folder.exists() and (nas / "trash" / str(stored.id) / path.name).stat().st_ino == inode, "a rename, and no copy"
    assert quotas.used(COLLECTION, None) == (0, 0)
    assert f"{stored.id}  {len(before)} bytes of {COLLECTION}  until " in said(capsys, "trash")[1]
    Upload.objects.update(safe_name="")  # as pruning does after a day
    path.parent.parent.rmdir()  # a month that nothing is left in
    assert said(capsys, "trash", "--restore", str(stored.id))[0] == 0
    assert path.read_bytes() == before and now_of(stored).receipt == receipt and now_of(stored).safe_name == path.name
    assert (events(), quotas.used(COLLECTION, None)) == (["committed", "deleted", "restored"], (1, len(before)))
    assert said(capsys, "trash")[1] == "in the trash: 0\n"
    for command in ("verify_store", "reconcile_store", "verify_ledger"):
        assert said(capsys, command)[0] == 0, command
    assert delete(stored).status_code == 204 and events()[-1] == "deleted", "and may be deleted again"
    for command in ("verify_store", "reconcile_store", "verify_ledger"):
        assert said(capsys, command)[0] == 0, command


def test_it_goes_for_good_when_its_days_are_over(stored, delete, nas, settings, monkeypatch, capsys):
    settings.TRASH_DAYS = 3
    delete(stored)
    later(monkeypatch, 2)
    assert "trash" not in said(capsys, "recover")[1] and (nas / "trash" / str(stored.id)).exists()
    later(monkeypatch, 2)
    assert "removed from the trash for good: 1" in said(capsys, "recover")[1]
    assert list((nas / "trash").iterdir()) == [] and events() == ["committed", "deleted", "purged"]
    assert said(capsys, "trash", "--restore", str(stored.id))[0] == 1
    assert said(capsys, "verify_ledger")[0] == 0 and said(capsys, "reconcile_store")[0] == 0


def test_without_days_there_is_no_trash(stored, delete, nas, settings):
    settings.TRASH_DAYS = 0
    assert delete(stored).status_code == 204
    assert not (nas / "trash").exists() and not (nas / "collections" / actions.object_name(stored)).parent.exists()


@pytest.mark.parametrize("at", ["row", "entry"])
def test_a_crash_on_the_way_is_mended_by_saying_it_again(at, stored, delete, nas, monkeypatch, capsys):
    def broken(*args, **more):
        raise RuntimeError

    for step, again in (("mark_deleted", lambda: delete(stored).status_code), ("mark_restored", None)):
        with monkeypatch.context() as patch:
            patch.setattr(*((actions, step) if at == "row" else (record, "append")), broken)
            if step == "mark_deleted":
                assert delete(stored).status_code == 500
            else:
                with pytest.raises(RuntimeError):
                    call_command("trash", "--restore", str(stored.id))
        if step == "mark_deleted":
            assert now_of(stored).state == "committed" and again() == 204
        else:
            assert now_of(stored).state == "deleted"
            assert said(capsys, "trash", "--restore", str(stored.id))[0] == 0
    assert events() == ["committed", "deleted", "restored"] and now_of(stored).state == "committed"


def test_an_older_database_knows_nothing_of_a_deletion_and_its_file_stays_in_the_trash_until_it_is_brought_back(
    stored, delete, nas, known_store, monkeypatch, capsys
):
    trash.put(known_store, actions.directory_of(stored), actions.object_name(stored))  # and of the rest nothing is left
    later(monkeypatch, 1000)
    said(capsys, "recover")
    nas.joinpath("collections", *actions.directory_of(stored)[:-1]).rmdir()
    assert "no entry says that it was deleted" in said(capsys, "trash")[1]
    assert said(capsys, "trash", "--restore", str(stored.id))[0] == 0
    assert known_store.exists(actions.object_name(stored)) and events() == ["committed"]


def test_what_lies_in_its_place_is_not_overwritten(stored, delete, nas, capsys):
    delete(stored)
    folder = (nas / "collections" / actions.object_name(stored)).parent
    folder.mkdir()
    (folder / "other").touch()
    assert said(capsys, "trash", "--restore", str(stored.id))[0] == 1
    assert (nas / "trash" / str(stored.id)).exists() and now_of(stored).state == "deleted"


def test_an_entry_deleted_that_no_request_made_is_named(stored, delete, capsys):
    other = received(request_body(a_zip()), claims_object(jti=uuid7()), announced(len(a_zip())))
    delete(stored)
    assert said(capsys, "verify_ledger")[0] == 0
    signed = Entry.objects.last().facts["signed"]
    for facts in ({}, {"signed": "x.y.z"}, {"signed": signed}):  # the last is good, at another place and of another file
        record.append("deleted", upload_id=other.id, grant_id=other.grant_id, at=leases.now(), facts=facts)
    Upload.objects.filter(id=other.id).update(state="deleted")
    status, told = said(capsys, "verify_ledger")
    assert status == 2 and told.count("unsigned: ") == 3 and "nobody signed that" in told
    assert [f"unsigned: entry {seq} " in told for seq in (3, 4, 5, 6)] == [False, True, True, True]
    call_command("ledger", "checkpoint")
    assert said(capsys, "verify_ledger")[1].count("unsigned: ") == 3, "a checkpoint behind them excuses nothing"
    assert said(capsys, "verify_ledger", "--unsigned-until", "6")[0] == 0, "entries of an older release"


def test_a_file_of_which_the_store_cannot_tell_is_not_called_deleted(stored, delete, nas, monkeypatch):
    (nas / "collections" / COLLECTION).rename(nas / "away")
    assert delete(stored).status_code == 503 and now_of(stored).state == "committed"
    monkeypatch.setattr(removal.trash, "put", lambda *args: (_ for _ in ()).throw(AssertionError))
    assert events() == ["committed"]


def test_what_is_half_gone_for_good_is_not_brought_back(stored, delete, nas, capsys):
    delete(stored)
    (nas / "trash" / str(stored.id) / stored.safe_name).unlink()  # and there the power went
    status, told = said(capsys, "trash", "--restore", str(stored.id))
    assert (status, "not in the trash any more" in told) == (1, True)
    assert (nas / "trash" / str(stored.id)).exists() and said(capsys, "reconcile_store")[0] == 0


def test_what_is_brought_back_at_the_moment_it_goes_for_good_is_whole(stored, delete, nas, monkeypatch, capsys):
    """In the middle of it, where it is gone; and a moment before, where it stays."""
    path = nas / "collections" / actions.object_name(stored)
    delete(stored)
    later(monkeypatch, 1000)
    tries = []

    def bring_back(*_args):
        tries.append((said(capsys, "trash", "--restore", str(stored.id))[0], path.exists()))

    def remove_later(*args):
        bring_back()
        raise PermissionError  # and here it breaks off

    with monkeypatch.context() as patch:
        patch.setattr(folders, "remove", remove_later)
        assert said(capsys, "recover")[0] == 1
    assert tries == [(1, False)] and events() == ["committed", "deleted"]
    assert str(stored.id) in said(capsys, "trash")[1]

    other = received(request_body(a_zip()), claims_object(jti=uuid7()), announced(len(a_zip())))
    path, known = nas / "collections" / actions.object_name(other), trash.purge
    delete(other)
    later(monkeypatch, 1000)

    def purge_later(store, upload_id):
        if upload_id == str(other.id):
            assert said(capsys, "trash", "--restore", upload_id)[0] == 0
        return known(store, upload_id)

    monkeypatch.setattr(trash, "purge", purge_later)
    assert "removed from the trash for good: 1" in said(capsys, "recover")[1], "what broke off before"
    assert path.read_bytes() == a_zip() and now_of(other).state == "committed"
    assert list((nas / "trash").iterdir()) == [] and sorted(events()[-2:]) == ["purged", "restored"]
    assert said(capsys, "reconcile_store")[0] == 0


def test_two_deletions_at_once_are_one(stored, delete, monkeypatch):
    put, other = trash.put, []

    def put_later(*args):
        monkeypatch.setattr(trash, "put", put)
        other.append(delete(stored).status_code)
        put(*args)

    monkeypatch.setattr(trash, "put", put_later)
    answer = delete(stored)
    assert (other, answer.status_code, answer.json()["code"]) == ([204], 404, "upload_unknown")
    assert events() == ["committed", "deleted"]


@pytest.mark.parametrize("depth", [2, 3])
def test_nothing_is_brought_back_into_a_month_that_is_made_in_the_place_of_one_that_is_away(depth, stored, delete, nas, capsys):
    """Another file lies in that one: it would be missing, and could be deleted without being there."""
    other = received(request_body(a_zip()), claims_object(jti=uuid7()), announced(len(a_zip())))
    assert delete(stored).status_code == 204
    folder = nas.joinpath("collections", *actions.directory_of(other)[:depth])
    folder.rename(folder.with_name(".aside"))
    status, told = said(capsys, "trash", "--restore", str(stored.id))
    assert (status, "not usable now" in told, folder.exists()) == (1, True, False)
    assert delete(other).status_code == 503 and now_of(stored).state == "deleted"
    folder.with_name(".aside").rename(folder)
    assert said(capsys, "trash", "--restore", str(stored.id))[0] == 0 and delete(other).status_code == 204
