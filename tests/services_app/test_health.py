"""Alive is not ready: red health says which part, and no path. Faults of the store and its file system are real ones."""

import contextlib
import errno
import os
import shutil
import sqlite3
import threading
import time

import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction

from services_app.config import health
from services_app.store import checkup, probe, sentinel
from services_app.store.current import current_store
from services_app.store.errors import CollectionBarred
from services_app.store.models import HealthCheck, StoreIdentity
from tests.mounts import mounted, remount
from tests.services_app.conftest import STORE_ID
from tests.services_app.making import COLLECTION, a_zip, stored_files, uuid7
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db


def test_alive_needs_nothing(control):
    assert control("GET", "/healthz").json() == {"status": "ok"}


def test_ready_when_store_space_and_database_are(control, known_store):
    answer = control("GET", "/readyz")
    assert answer.status_code == 200
    parts = ("database", "store", "space", "inodes", "collections", "files")
    assert answer.json() == {"status": "ok", **dict.fromkeys(parts, "ok")}


def test_not_ready_before_init_store(control):
    answer = control("GET", "/readyz")
    assert answer.status_code == 503
    unknown = dict.fromkeys(("space", "inodes", "collections"), "unknown")
    assert answer.json() == {"status": "failing", "database": "ok", "store": "absent", "files": "ok", **unknown}


def test_not_ready_while_an_empty_folder_stands_in_for_the_nas(control, known_store, nas):
    nas.rename(nas.with_name("unmounted"))
    nas.mkdir()
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["store"]) == (503, "absent")
    nas.rmdir()
    nas.with_name("unmounted").rename(nas)
    assert control("GET", "/readyz").status_code == 200


def test_not_ready_without_space_beyond_the_reserve(control, known_store, settings):
    settings.UPLOAD_SPACE_RESERVE = 1 << 60
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["space"]) == (503, "full")


@pytest.mark.parametrize("fault", [DatabaseError, InterfaceError])
def test_not_ready_without_a_database_and_no_reason_is_quoted(control, known_store, monkeypatch, fault):
    def broken(**_):
        raise fault("canary: unable to open /var/lib/x")

    monkeypatch.setattr(health.HealthCheck.objects, "create", broken)
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "failing")
    assert "canary" not in answer.content.decode()


# -- the database ------------------------------------------------------------------------------------------------------


of_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="tells SQLite's own ways")


def pragma(statement):
    with connection.cursor() as cursor:
        return cursor.execute(f"PRAGMA {statement}").fetchall()


@pytest.fixture
def full():
    """A database that takes no more pages; one on a full disk says the same."""
    pragma("max_page_count = 1")  # SQLite makes it the pages that there are
    for size in (1 << 16, 1 << 12, 1):  # and these are filled
        with contextlib.suppress(DatabaseError):
            while True:
                with transaction.atomic():
                    HealthCheck.objects.create(filling="x" * size)
    yield
    pragma("max_page_count = 4294967294")


@of_sqlite
def test_not_ready_while_no_row_can_be_written(control, known_store, full):
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["database"], answer.json()["store"]) == (503, "failing (its disk is full)", "ok")


@pytest.mark.django_db(transaction=True)
def test_not_ready_where_the_database_takes_no_writes(control, known_store):
    """A standby of PostgreSQL that an operator pointed us at, or a file that SQLite may only read."""
    switch = "SET default_transaction_read_only = {}" if connection.vendor == "postgresql" else "PRAGMA query_only = {}"
    with connection.cursor() as cursor:
        cursor.execute(switch.format("on"))
    try:
        answer = control("GET", "/readyz")
    finally:
        with connection.cursor() as cursor:
            cursor.execute(switch.format("off"))
    assert (answer.status_code, answer.json()["database"]) == (503, "failing (read-only)")


@of_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_row_is_committed_and_none_stays_also_after_a_kill(control, known_store):
    HealthCheck.objects.create(filling="left by a kill")
    before = pragma("data_version")
    rival = sqlite3.connect(connection.settings_dict["NAME"])
    seen = rival.execute("PRAGMA data_version").fetchone()
    assert control("GET", "/readyz").status_code == 200
    assert rival.execute("PRAGMA data_version").fetchone() > seen and pragma("data_version") == before
    assert not HealthCheck.objects.exists()
    rival.close()


@of_sqlite
@pytest.mark.django_db(transaction=True)
def test_a_lock_that_stays_is_red_soon_and_waiting_is_as_usual_afterwards(control, known_store, monkeypatch):
    monkeypatch.setattr(health, "_PATIENCE", 0.2)
    usual = pragma("busy_timeout")
    rival = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    rival.execute("BEGIN IMMEDIATE")
    assert control("GET", "/readyz").json()["database"] == "failing (locked)"
    rival.execute("ROLLBACK")
    rival.close()
    assert control("GET", "/readyz").status_code == 200 and pragma("busy_timeout") == usual


# -- the store, with real faults ---------------------------------------------------------------------------------------

ASKED = {"HTTP_X_UPLOAD_METHOD": "PUT", "HTTP_X_UPLOAD_PATH": "/", "HTTP_X_UPLOAD_LENGTH": "10"}


@pytest.fixture
def small(settings, tmp_path, db):
    """A function: the store on a small file system of its own, with these mount options, prepared and known."""
    with contextlib.ExitStack() as stack:

        def make(*options):
            root = stack.enter_context(mounted(settings.NAS_ROOT, *options))
            (root / "staging").mkdir()
            (root / "collections" / COLLECTION).mkdir(parents=True)
            root_fd = os.open(root, os.O_RDONLY)
            sentinel.write(root_fd, STORE_ID)
            os.close(root_fd)
            StoreIdentity.objects.create(id=1, store_id=STORE_ID)
            current_store()
            return root

        yield make


@pytest.fixture
def at_the_door(control, grant_token):
    """A function: what nginx is told before it takes a body byte; None when it may."""

    def ask():
        answer = control("GET", "/authorize", token=grant_token(), **ASKED)
        return answer.get("X-Upload-Verdict")

    return ask


def test_a_nas_that_turned_read_only_is_red_and_refused_at_the_door(control, at_the_door, small, monkeypatch, caplog):
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    root = small("size=4m")
    assert control("GET", "/readyz").status_code == 200 and at_the_door() is None
    remount(root, "ro")
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["store"]) == (503, "failing (EROFS at create)")
    assert at_the_door() == "store_unavailable"
    remount(root, "rw")
    assert control("GET", "/readyz").status_code == 200 and at_the_door() is None
    told = [(record.message, record.cause) for record in caplog.records if record.name == "sluice.store"]
    assert told == [(message, "EROFS at create") for message in ("store failing", "store works again")]


def test_below_the_reserve_of_inodes_nothing_begins_and_what_is_under_way_ends(control, uploads, grant_token, at_the_door, small, settings):
    small("size=4m", "nr_inodes=60")
    settings.UPLOAD_INODE_RESERVE = 20
    tus = {"HTTP_TUS_RESUMABLE": "1.0.0", "CONTENT_TYPE": "application/offset+octet-stream"}
    made = uploads("POST", "/u", token=(token := grant_token()), HTTP_UPLOAD_LENGTH="4", **tus)
    settings.UPLOAD_INODE_RESERVE = 60
    assert control("GET", "/readyz").json()["inodes"] == "full" and at_the_door() == "no_space"
    refused = uploads("PUT", "/u", token=grant_token(jti=uuid7()), body=a_zip())
    assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
    assert uploads("PATCH", made["Location"], token=token, body=b"text", HTTP_UPLOAD_OFFSET="0", **tus).status_code == 204


def test_a_nas_without_inodes_is_red_and_refused_at_the_door(control, uploads, grant_token, at_the_door, small, settings):
    settings.UPLOAD_INODE_RESERVE = 0
    root = small("size=4m", "nr_inodes=40")
    assert control("GET", "/readyz").json()["inodes"] == "ok" and at_the_door() is None
    with contextlib.suppress(OSError):
        for number in range(40):
            (root / f"other-{number}").touch()
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["space"], answer.json()["inodes"]) == (503, "ok", "full")
    assert at_the_door() == "no_space"
    refused = uploads("PUT", "/u", token=grant_token(), body=a_zip())
    assert (refused.status_code, refused.json()["code"]) == (507, "no_space")
    for path in root.glob("other-*"):
        path.unlink()
    assert control("GET", "/readyz").status_code == 200 and at_the_door() is None
    assert uploads("PUT", "/u", token=grant_token(), body=a_zip()).status_code == 201


def test_a_nas_without_room_for_a_probe_is_red_as_full(control, at_the_door, small, monkeypatch):
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    root = small("size=256k")
    with contextlib.suppress(OSError), (root / "other").open("wb") as other:
        while True:
            other.write(bytes(4096))
            other.flush()
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["space"]) == (503, "full")
    assert at_the_door() == "no_space"


@pytest.mark.parametrize("instead", ["a file", "a link", "a dangling link", "a fifo"])
def test_what_took_the_place_of_a_collection_is_red_and_a_passing_fault_at_the_door(
    control, uploads, grant_token, at_the_door, known_store, nas, tmp_path, monkeypatch, instead
):
    """At once, also while an earlier success is believed; and nothing is written behind a link."""
    assert control("GET", "/readyz").status_code == 200 and at_the_door() is None
    place, elsewhere = nas / "collections" / COLLECTION, tmp_path / "elsewhere"
    elsewhere.mkdir()
    place.rename(tmp_path / "moved")
    {
        "a file": place.touch,
        "a link": lambda: place.symlink_to(elsewhere),
        "a dangling link": lambda: place.symlink_to("nowhere"),
        "a fifo": lambda: os.mkfifo(place),
    }[instead]()
    assert at_the_door() == "store_unavailable"
    answer = uploads("PUT", "/u", token=grant_token(), body=a_zip())
    assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    ready = control("GET", "/readyz")
    assert (ready.status_code, ready.json()["collections"]) == (503, f"{COLLECTION} failing (ENOTDIR at open)")
    assert list(elsewhere.iterdir()) == []
    place.unlink()
    (tmp_path / "moved").rename(place)
    assert control("GET", "/readyz").status_code == 200 and at_the_door() is None


def test_a_file_system_that_counts_no_inodes_is_no_reason_to_be_red(control, at_the_door, known_store, monkeypatch):
    real = os.fstatvfs

    def uncounted(fd):
        values = list(real(fd))
        values[5] = values[6] = values[7] = 0  # as btrfs and CIFS answer
        return os.statvfs_result(values)

    monkeypatch.setattr(os, "fstatvfs", uncounted)
    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["inodes"]) == (200, "unknown") and at_the_door() is None


@pytest.mark.parametrize(
    ("call", "code", "said", "verdict"),
    [
        ("write", errno.EDQUOT, ("failing (EDQUOT at write)", "full"), "no_space"),
        ("mkdir", errno.EDQUOT, ("failing (EDQUOT at mkdir)", "full"), "no_space"),
        ("open", errno.EDQUOT, ("failing (EDQUOT at create)", "full"), "no_space"),
        ("fsync", errno.EIO, ("failing (EIO at fsync)", "unknown"), "store_unavailable"),
        ("link", errno.EPERM, ("failing (EPERM at link)", "unknown"), "store_unavailable"),
        ("link", errno.EXDEV, ("failing (EXDEV at link)", "unknown"), "store_unavailable"),
        ("unlink", errno.EPERM, ("failing (EPERM at remove)", "unknown"), "store_unavailable"),
    ],
)
def test_each_step_of_storing_is_tried_and_named(control, at_the_door, known_store, nas, monkeypatch, call, code, said, verdict):
    real = getattr(os, call)

    def failing(first, *args, **kwargs):
        if call in ("write", "fsync") and "/staging/" not in os.readlink(f"/proc/self/fd/{first}"):
            return real(first, *args, **kwargs)
        if call == "open" and not str(first).startswith("staging/"):
            return real(first, *args, **kwargs)
        raise OSError(code, "secret/path")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        parts = control("GET", "/readyz").json()
        assert (parts["status"], parts["store"], parts["space"]) == ("failing", *said)
        assert at_the_door() == verdict
    assert control("GET", "/readyz").status_code == 200
    if call != "unlink":
        assert stored_files(nas) == []


@pytest.mark.parametrize(("code", "said"), [(errno.EIO, "failing (EIO)"), (errno.ESTALE, "failing (ESTALE)"), (errno.ENOENT, "absent")])
@pytest.mark.parametrize(("call", "path"), [("open", ".sluice-store"), ("stat", "staging"), ("open", "")])
def test_only_what_is_not_there_is_called_absent(control, known_store, nas, monkeypatch, call, path, code, said):
    real = getattr(os, call)

    def failing(given, *args, **kwargs):
        if str(given) == (path or str(nas)):
            raise OSError(code, "")
        return real(given, *args, **kwargs)

    monkeypatch.setattr(os, call, failing)
    assert control("GET", "/readyz").json()["store"] == said


def test_a_success_is_believed_for_seconds_and_a_failure_not_at_all(control, known_store, monkeypatch):
    tried, real = [], probe.attempt
    monkeypatch.setattr(probe, "attempt", lambda *args: tried.append(1) or real(*args))
    assert [control("GET", "/readyz").status_code for _ in range(3)] == [200] * 3 and len(tried) == 1
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", lambda *args, **kwargs: (_ for _ in ()).throw(OSError(errno.EROFS, "")))
        assert control("GET", "/readyz").status_code == 503
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 5)
    assert control("GET", "/readyz").status_code == 200 and len(tried) == 3


@pytest.fixture
def tried(nas, monkeypatch):
    """Sixty collections, of which one takes no link; what was tried at a time, as a list that grows."""
    for number in range(60):
        (nas / "collections" / f"c-{number:02}").mkdir()
    tried, link, attempt = [], os.link, probe.attempt

    def refusing(source, name, *args, **kwargs):
        if name.startswith("collections/c-00/"):
            raise OSError(errno.EXDEV, "")
        return link(source, name, *args, **kwargs)

    monkeypatch.setattr(os, "link", refusing)
    monkeypatch.setattr(probe, "attempt", lambda fd, places=(): (tried.append(list(places)), attempt(fd, places))[1])
    return tried


def test_a_collection_that_takes_nothing_costs_the_others_nothing(store, tried):
    for _ in range(3):
        store.check("c-01")
        with pytest.raises(CollectionBarred):
            store.check("c-00")
    assert tried == [["c-01"], ["c-00"]]
    assert set(store.health().failing) == {"c-00"}
    assert len([place for places in tried for place in places]) == len({place for places in tried for place in places})


def test_what_a_killed_probe_left_is_swept_an_hour_later(store, nas):
    collection = nas / "collections" / COLLECTION
    (collection / f"{time.gmtime().tm_year}").mkdir()
    left = [collection / ".probe-a", collection / f"{time.gmtime().tm_year}" / ".probe-b", collection.parent / ".probe-c"]
    for folder in left:
        folder.mkdir()
        (folder / "probe").touch()
        os.utime(folder, (time.time() - 4000,) * 2)
    os.utime(nas / "staging", (time.time() - 4000,) * 2)
    (young := nas / "staging" / ".probe-d").touch()
    store.check(COLLECTION)
    assert not any(folder.exists() for folder in left) and young.exists()


def test_who_asks_for_one_collection_does_not_wait_for_a_look_at_all_of_them(store, tried, monkeypatch):
    attempt, asking = probe.attempt, []

    def begun(fd, places=()):
        if not asking:
            asking.append(threading.Thread(target=store.check, args=("c-59",)))
            asking[0].start()
            wait_for(lambda: "c-59" in store._checkup._asks, 5)
        return attempt(fd, places)

    monkeypatch.setattr(probe, "attempt", begun)
    store.health()
    asking[0].join(5)
    assert tried[1] == ["c-59"] and len(tried) > 2


def test_a_nas_that_hangs_is_red_in_seconds_and_asked_by_one_thread_only(control, at_the_door, known_store, monkeypatch):
    monkeypatch.setattr(checkup, "PATIENCE", 0.1)
    let_go, real = threading.Event(), os.fstatvfs
    monkeypatch.setattr(os, "fstatvfs", lambda fd: let_go.wait(30) and real(fd))

    def hanging():
        return [thread for thread in threading.enumerate() if thread.name == "sluice-checkup"]

    answer = control("GET", "/readyz")
    assert (answer.status_code, answer.json()["store"]) == (503, "failing (stalled)")
    assert at_the_door() == "store_unavailable" and len(hanging()) == 1
    let_go.set()
    wait_for(lambda: not hanging(), 5)
    assert control("GET", "/readyz").status_code == 200


def test_an_append_to_a_nas_that_turned_read_only_is_refused_at_the_door_and_keeps_what_came(
    control, uploads, grant_token, small, monkeypatch
):
    monkeypatch.setattr(checkup, "BELIEVED_FOR", 0)
    root, token = small("size=4m"), grant_token()
    begun = {"HTTP_UPLOAD_COMPLETE": "?0"}
    location = uploads("POST", "/u", token=token, body=b"abc", **begun)["Location"]
    remount(root, "ro")
    asked = {"HTTP_X_UPLOAD_METHOD": "PATCH", "HTTP_X_UPLOAD_PATH": location.removeprefix("/u"), "HTTP_X_UPLOAD_LENGTH": "3"}
    assert control("GET", "/authorize", token=token, **asked)["X-Upload-Verdict"] == "store_unavailable"
    assert control("HEAD", location, token=token)["Upload-Offset"] == "3"
    remount(root, "rw")
    assert "X-Upload-Verdict" not in control("GET", "/authorize", token=token, **asked)


def test_a_probe_leaves_nothing_and_is_no_upload(control, known_store, nas):
    shutil.rmtree(nas / "collections" / COLLECTION)
    (nas / "collections" / COLLECTION).mkdir()
    assert control("GET", "/readyz").status_code == 200
    assert stored_files(nas) == [] and known_store.staged_names() == []
