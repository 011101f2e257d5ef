"""What is costly takes so many threads and no more: others are told at once, and are answered."""

import re
import select
import socket
import threading
import time
from pathlib import Path

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test import RequestFactory

from tests.waiting import wait_for
from tests.web_app.conftest import PASSWORD
from tests.web_app.test_sign_in import SIGN_IN, post
from web_app.accounts import hashing
from web_app.accounts.models import SignInTries
from web_app.config import errors
from web_app.config import places as config_places
from web_app.config.middleware import SomebodyWaits
from web_app.config.places import Places

ROOT = Path(__file__).resolve().parents[2]


class Held:
    """Threads that are inside, each of `person`, until it is over."""

    def __init__(self, places: Places):
        self.places, self.threads, self.over, self.inside = places, [], threading.Event(), threading.Semaphore(0)

    def __enter__(self):
        return self

    def one_more(self, person=None):
        def hold():
            with self.places.taken(person):
                self.inside.release()
                self.over.wait(20)

        self.threads.append(threading.Thread(target=hold))
        self.threads[-1].start()

    def __exit__(self, *_exc):
        self.over.set()
        for thread in self.threads:
            thread.join(20)


def test_so_many_are_inside_some_wait_and_others_are_told_at_once():
    places = Places(2, each=1, waiting=1, patience=20)
    with Held(places) as held:
        held.one_more("ada")
        assert held.inside.acquire(timeout=5)
        held.one_more("ada")
        wait_for(lambda: len(places._line) == 1)
        with pytest.raises(errors.TooManyAtOnce):
            places.take("ada")
        with places.taken("eve"), pytest.raises(errors.WebBusy):
            places.take("olga")
        held.over.set()
        assert held.inside.acquire(timeout=5), "who waited is let in"


def test_one_person_takes_neither_every_place_nor_all_the_room_to_wait():
    """Of passwords (accounts/hashing.py): who asks without a pause leaves others their turn."""
    for places in (Places(1, waiting=2, patience=20), Places(2, each=1, waiting=2, patience=20)):
        with Held(places) as held:
            held.one_more("ada")
            assert held.inside.acquire(timeout=5)
            if places._at_once == 2:  # where there are others one may wait for one's own
                held.one_more("ada")
                wait_for(lambda places=places: len(places._line) == 1)
            began = time.monotonic()
            with pytest.raises(errors.Problem):
                places.take("ada")
            assert time.monotonic() - began < 5, "without waiting"
            held.one_more("eve")
            wait_for(lambda places=places: len(places._line) == 1)
            held.over.set()
            assert held.inside.acquire(timeout=5)


def test_who_waits_is_served_before_who_comes_later():
    places, served = Places(1, waiting=2, patience=20), []

    def wait(person):
        with places.taken(person):
            served.append(person)

    threads = [threading.Thread(target=wait, args=(person,)) for person in ("eve", "olga")]
    places.take("ada")
    for number, thread in enumerate(threads):
        thread.start()
        wait_for(lambda number=number: len(places._line) == number + 1)
    with places._changed:  # nobody who waits can be quicker than what comes now
        places.give_back("ada")
        with pytest.raises(errors.WebBusy):
            places.take("ada")
    for thread in threads:
        thread.join(20)
    assert served == ["eve", "olga"]


def test_a_place_that_nobody_is_about_to_take_is_taken_at_once():
    places = Places(2, each=1, waiting=1, patience=20)
    places.take("ada")
    waits = threading.Thread(target=places.take, args=("ada",))
    waits.start()
    wait_for(lambda: len(places._line) == 1)
    with places._changed:
        places.give_back("ada")
        with pytest.raises(errors.TooManyAtOnce):
            places.take("ada")
        places.take("eve")
    waits.join(20)
    assert places._held == {"ada": 1, "eve": 1}


def test_there_are_more_threads_than_places():
    taken = [hashing.STRANGERS, hashing.KNOWN, *(one for one in vars(config_places).values() if isinstance(one, Places))]
    said = re.search(r"^threads = (\d+)", (ROOT / "web_app" / "gunicorn.conf.py").read_text(), re.MULTILINE)
    assert sum(one._at_once + one._most_waiting for one in taken) < int(said[1])


def test_who_waited_long_enough_is_told():
    places = Places(1, waiting=1, patience=0.01)
    with places.taken(), pytest.raises(errors.WebBusy):
        places.take()
    with places.taken():
        pass


@pytest.fixture
def slow_hashes(settings, monkeypatch):
    """The real hasher at a few rounds; lanes without patience, so that nobody has to be waited for."""
    settings.PASSWORD_HASHERS = ["web_app.accounts.hashing.BoundedHasher"]
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1)
    for lane in ("STRANGERS", "KNOWN"):
        monkeypatch.setattr(hashing, lane, Places(1))


@pytest.mark.django_db
def test_strangers_who_are_too_many_are_told_so_lose_no_try_and_keep_nobody_out_who_is_known(slow_hashes, person, browser):
    known, new = browser(), browser()
    assert post(known, SIGN_IN, username="ada", password=PASSWORD).status_code == 302
    SignInTries.objects.all().delete()
    with hashing.STRANGERS.taken():
        refused = post(new, SIGN_IN, username="ada", password=PASSWORD)
        assert (refused.status_code, refused["Retry-After"]) == (503, "5")
        assert "Try again in a moment" in refused.content.decode()
        assert not SignInTries.objects.exists(), "no try was made"
        assert post(known, SIGN_IN, username="ada", password=PASSWORD).status_code == 302
    assert post(new, SIGN_IN, username="ada", password=PASSWORD).status_code == 302


@pytest.mark.django_db
def test_every_other_way_to_a_hash_is_bounded_too(slow_hashes, operator, person, browser):
    """One's own password, and an operator who sets another's: both are known, and are told on a page."""
    client = browser()
    post(client, SIGN_IN, username="olga", password=PASSWORD)
    another = "another long enough passphrase"
    own = {"old_password": PASSWORD, "new_password1": another, "new_password2": another}
    given = {"password1": another, "password2": another, "usable_password": "true"}
    for path, fields in (("/accounts/password/", own), (f"/admin/accounts/user/{person.pk}/password/", given)):
        with hashing.KNOWN.taken(), hashing.STRANGERS.taken():
            refused = _form(client, path, fields)
        assert (refused.status_code, refused["Retry-After"]) == (503, "5")
        assert "in a moment" in refused.content.decode()
        with hashing.STRANGERS.taken():
            assert _form(client, path, fields).status_code == 302


def _form(client, path: str, fields: dict):
    from urllib.parse import urlencode

    token = client.get("/session").json()["csrf_token"]
    form = "application/x-www-form-urlencoded"
    body = urlencode({**fields, "csrfmiddlewaretoken": token})
    return client.post(path, body, content_type=form, headers={"Origin": "https://localhost:8443"})


@pytest.mark.parametrize("unread", [b"", b"the rest of a body"])
def test_what_nobody_waits_for_any_more_is_dropped(unread):
    asked = []
    middleware = SomebodyWaits(lambda request: asked.append(request) or "answered")
    here, nginx = socket.socketpair()
    request = RequestFactory().post("/accounts/login/", **{"gunicorn.socket": here})
    nginx.sendall(unread)
    with here:
        assert middleware(request) == "answered"
        nginx.close()
        assert select.select([here], [], [], 5)[0]
        assert middleware(request).status_code == 503
    assert len(asked) == 1
