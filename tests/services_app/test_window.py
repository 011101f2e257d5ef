"""Bytes under way are never further ahead of the disk than its window, and a sync that fails beside them is believed at once."""

import contextlib
import errno
import os
import threading
import time
from concurrent.futures import Future

import pytest

from services_app.store import window
from services_app.store.errors import StoreFull, StoreUnavailable
from tests.waiting import wait_for

KIB, MIB = 1 << 10, 1 << 20
CAUSES = [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreUnavailable), (errno.ESTALE, StoreUnavailable)]


class Disk:
    """Stands in for fdatasync and fsync: makes durable what a file holds as the call begins, `rate` bytes a second."""

    def __init__(self, monkeypatch, rate: float):
        self.rate, self.durable, self.calls, self.at_once, self.most_at_once = rate, 0, [], 0, 0
        self.fault: OSError | None = None
        self.lets_go = threading.Event()
        self.lets_go.set()
        monkeypatch.setattr(os, "fdatasync", lambda fd: self._sync("fdatasync", fd))
        monkeypatch.setattr(os, "fsync", lambda fd: self._sync("fsync", fd))

    def _sync(self, call: str, fd: int) -> None:
        if "/staging/" not in os.readlink(f"/proc/self/fd/{fd}"):
            return
        self.calls.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        holds = os.fstat(fd).st_size
        try:
            self.lets_go.wait(10)
            time.sleep(max(0, holds - self.durable) / self.rate)
            os.fstat(fd)  # EBADF where somebody closed it meanwhile
            if self.fault is not None:
                raise self.fault
            self.durable = max(self.durable, holds)
        finally:
            self.at_once -= 1


@pytest.fixture
def piece():
    return memoryview(bytes(256 * KIB))


@pytest.fixture(autouse=True)
def small_windows(monkeypatch):
    """Files of a test need not be large."""
    monkeypatch.setattr(window, "LEAST", 1 * MIB)
    monkeypatch.setattr(window, "MOST", 8 * MIB)
    monkeypatch.setattr(window, "_FIRST", 256 * KIB)


def test_a_sender_is_never_further_ahead_of_a_slow_disk_than_the_window(store, upload_id, piece, monkeypatch):
    disk, ahead = Disk(monkeypatch, rate=100 * MIB), []
    with store.stage(upload_id) as staged:
        staged.expect(24 * MIB)
        for _ in range(96):
            staged.write(piece)
            ahead.append(staged.size - disk.durable)
            assert ahead[-1] <= staged._window.room
        staged.finish()
    assert max(ahead) < 12 * MIB and disk.durable == 24 * MIB
    assert disk.most_at_once == 1


@pytest.mark.parametrize(
    ("speed", "latency", "room"),
    [
        (10 * MIB, 0.0, 1 * MIB),
        (100 * MIB, 0.0, 4 * MIB),
        (10_000 * MIB, 0.0, 8 * MIB),
        (100 * MIB, 0.01, 6 * MIB),  # its latency is a quarter of each sync
        (1000 * MIB, 0.1, 8 * MIB),  # by SPAN alone it would be the least: a far store would idle between two syncs
    ],
)
def test_the_window_follows_the_measured_speed_of_the_disk_between_its_bounds(speed, latency, room):
    measured, size = window.Window(-1, 0), 0
    for number in range(40):
        size += measured.room // 2 if number else 256 * KIB
        measured._learn(size - measured.durable, latency + (size - measured.durable) / speed)
        measured.durable = size
    assert room * 0.8 <= measured.room <= room * 1.01


@pytest.mark.parametrize("then", ["write", "checkpoint", "finish"])
@pytest.mark.parametrize(("code", "told"), CAUSES, ids=[errno.errorcode[code] for code, _ in CAUSES])
def test_a_sync_that_fails_beside_the_sender_gives_the_file_up_and_nothing_is_synced_again(
    store, upload_id, piece, monkeypatch, code, told, then
):
    disk = Disk(monkeypatch, rate=1000 * MIB)
    disk.fault = OSError(code, "late")
    with store.stage(upload_id) as staged:
        steps = {"write": lambda: [staged.write(piece) for _ in range(40)], "checkpoint": staged.checkpoint, "finish": staged.finish}
        with contextlib.suppress(told):  # it may fail as quickly as that
            staged.write(piece)
        with pytest.raises(told):
            steps[then]()
        disk.fault = None  # a second one would succeed, over lost bytes
        for again in (*steps.values(), staged.finish):
            with pytest.raises(told):
                again()
    assert disk.calls == ["fdatasync"]


def test_no_descriptor_is_closed_while_it_is_synced(store, upload_id, piece, monkeypatch):
    disk, before = Disk(monkeypatch, rate=1000 * MIB), len(os.listdir("/proc/self/fd"))
    disk.lets_go.clear()
    staged = store.stage(upload_id)
    for _ in range(4):
        staged.write(piece)
    wait_for(lambda: disk.at_once)
    leaving = threading.Thread(target=staged.__exit__, args=(None, None, None))
    leaving.start()
    leaving.join(0.2)
    assert leaving.is_alive() and disk.at_once == 1
    disk.lets_go.set()
    leaving.join(10)
    assert staged._window._running.exception() is None, "its descriptor was open to the end"
    assert len(os.listdir("/proc/self/fd")) == before


def test_where_no_thread_is_to_be_had_the_file_is_given_up(store, upload_id, piece, monkeypatch):
    """The pool may run it later all the same: its error would be told to nobody, and to no later sync."""

    def none_left(*_):
        raise RuntimeError("can't start new thread")

    disk = Disk(monkeypatch, rate=1000 * MIB)
    monkeypatch.setattr(window._syncers, "submit", none_left)
    with store.stage(upload_id) as staged:
        for step in (lambda: staged.write(piece), staged.checkpoint, staged.finish):
            with pytest.raises(StoreUnavailable):
                step()
    assert disk.calls == []


def test_a_sync_whose_turn_comes_when_its_file_is_closed_touches_no_descriptor(store, upload_id, piece, monkeypatch):
    disk, late = Disk(monkeypatch, rate=1000 * MIB), []
    monkeypatch.setattr(window._syncers, "submit", lambda job: late.append(job) or Future())
    with store.stage(upload_id) as staged:
        staged.write(piece)
    late[0]()
    assert disk.calls == []


def test_what_is_durable_is_not_synced_again(store, upload_id, piece, monkeypatch):
    disk = Disk(monkeypatch, rate=1000 * MIB)
    with store.stage(upload_id) as staged:
        staged.write(memoryview(b"few bytes"))
        staged.checkpoint()
        staged.checkpoint()
        staged.finish()
    assert disk.calls == ["fsync"]


def test_what_was_cut_off_cannot_come_back_although_no_byte_is_added(store, nas, upload_id, monkeypatch):
    (nas / "staging" / str(upload_id)).write_bytes(b"promised, and more")
    disk = Disk(monkeypatch, rate=1000 * MIB)
    with store.stage(upload_id, resume_at=8) as staged:
        staged.finish()
    assert disk.calls == ["fsync"]
    assert (nas / "staging" / str(upload_id)).read_bytes() == b"promised"


def test_a_small_file_needs_no_thread_and_is_synced_once(store, upload_id, monkeypatch):
    disk = Disk(monkeypatch, rate=1000 * MIB)
    monkeypatch.setattr(window._syncers, "submit", None)
    with store.stage(upload_id) as staged:
        staged.expect(2 * window._FIRST)
        staged.write(memoryview(bytes(2 * window._FIRST)))
        staged.finish()
    assert disk.calls == ["fsync"]
