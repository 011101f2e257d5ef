"""A store that stalls holds so many threads and no more; what needs no store is answered (ADR 0026)."""

import os
import threading
import time

import pytest

from services_app.store.bulkhead import STALLED, Bulkhead
from services_app.store.current import _store, current_store
from services_app.store.errors import StoreUnavailable
from services_app.store.nas import LocalFileSystemStorage
from tests.services_app.conftest import STORE_ID
from tests.services_app.making import some_uuid
from tests.waiting import wait_for


@pytest.fixture
def stalled(nas):
    """The store does not answer until the test is over: whoever looks for the sentinel waits at a pipe."""
    sentinel = nas / ".sluice-store"
    content = sentinel.read_bytes()
    sentinel.unlink()
    os.mkfifo(sentinel)
    yield
    pipe = os.open(sentinel, os.O_RDWR | os.O_NONBLOCK)
    os.write(pipe, content)
    sentinel.unlink()
    os.close(pipe)


def in_threads(count: int, call) -> tuple[list[threading.Thread], list[float]]:
    """So many that call it at once; and after how many seconds each of those that were refused was told."""
    told = []

    def ask():
        began = time.monotonic()
        try:
            call()
        except StoreUnavailable:
            told.append(time.monotonic() - began)

    threads = [threading.Thread(target=ask, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads, told


@pytest.mark.usefixtures("stalled")
def test_two_wait_for_a_store_that_stalls_the_others_are_told_soon_and_later_ones_at_once(nas):
    store = LocalFileSystemStorage(nas, STORE_ID, most_waiting=2)
    threads, told = in_threads(6, lambda: store.staged_size(some_uuid()))
    wait_for(lambda: len(told) == 4, 5)
    assert sum(thread.is_alive() for thread in threads) == 2 and max(told) < STALLED + 1
    for call in (store.free_bytes, store.staged_names, lambda: store.stage(some_uuid())):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            call()
        assert time.monotonic() - began < 0.5


@pytest.mark.usefixtures("stalled")
def test_of_a_checkup_that_stalls_only_the_first_wait_to_the_end(nas):
    store = LocalFileSystemStorage(nas, STORE_ID)
    with pytest.raises(StoreUnavailable):
        store.health()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        store.health()
    assert time.monotonic() - began < 0.5


def test_while_the_store_answers_everybody_has_a_turn_and_one_within_another_needs_none(nas):
    door, most = Bulkhead(2), []

    def call():
        with door.passed(), door.passed():
            most.append(len(door._inside))
            time.sleep(0.01)

    threads, told = in_threads(20, call)
    for thread in threads:
        thread.join(10)
    assert not told and max(most) == 2 and len(most) == 20 and not door._inside


def test_nobody_is_told_that_a_store_stalls_whose_calls_all_come_back_however_long_the_queue():
    door = Bulkhead(2)

    def call():
        with door.passed():
            time.sleep(STALLED * 0.6)  # so that who waits finds the oldest call nearly at its bound, again and again

    threads, told = in_threads(8, call)
    for thread in threads:
        thread.join(10)
    assert not told and not door._inside and not door._waiting


@pytest.mark.django_db
@pytest.mark.parametrize(("listener", "bounded"), [("control", True), ("uploads", False)])
def test_the_control_listener_lets_half_of_its_threads_wait(known_store, settings, listener, bounded):
    settings.LISTENER, settings.CONTROL_THREADS = listener, 6
    _store.cache_clear()
    door = getattr(current_store()._door, "__self__", None)
    assert (door is not None and door._most == 3) == bounded
