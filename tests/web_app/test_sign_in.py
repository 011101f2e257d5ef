"""Logging in and out, the throttle, and how long sessions last."""

import contextlib
import datetime
import re
import threading
import time
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.utils import timezone

from tests.web_app.conftest import PASSWORD
from web_app.accounts import devices, throttle
from web_app.accounts.models import Session, SignInTries
from web_app.audit.models import AuditEvent
from web_app.config.addresses import network_of

pytestmark = pytest.mark.django_db

SIGN_IN, SIGN_OUT = "/accounts/login/", "/accounts/logout/"


def post(client, path, **fields):
    """A form of ours as a browser sends it: urlencoded, with Origin and the token that the page holds."""
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get(SIGN_IN).content.decode())[1]
    body = urlencode({**fields, "csrfmiddlewaretoken": token})
    form = "application/x-www-form-urlencoded"
    return client.post(path, body, content_type=form, headers={"Origin": "https://localhost:8443"})


@pytest.fixture
def client(browser):
    return browser()


def test_right_password_signs_in_and_leads_on(client, person):
    response = post(client, SIGN_IN, username="ada", password=PASSWORD, next="/api/v1/uploads")
    assert (response.status_code, response["Location"]) == (302, "/api/v1/uploads")
    assert client.get("/api/v1/uploads").status_code == 200


def test_sign_in_leads_to_no_other_site(client, person):
    response = post(client, SIGN_IN, username="ada", password=PASSWORD, next="https://evil.example/")
    assert response["Location"] == "/"


@pytest.mark.parametrize("name", ["ada", "nobody"])
def test_wrong_password_and_unknown_name_look_the_same(client, person, name):
    response = post(client, SIGN_IN, username=name, password="wrong")
    assert response.status_code == 200
    assert b"correct username and password" in response.content
    assert client.get("/api/v1/uploads").status_code == 401


def test_cookies_of_session_and_csrf_are_bound_to_this_host_over_tls(client, person):
    response = post(client, SIGN_IN, username="ada", password=PASSWORD)
    assert set(response.cookies) == {"__Host-sluice-session", "__Host-sluice-csrf", "__Host-sluice-device"}
    for cookie in response.cookies.values():
        assert cookie["secure"]
        assert cookie["path"] == "/"
        assert not cookie["domain"]
    session = response.cookies["__Host-sluice-session"]
    assert (session["httponly"], session["samesite"], session["max-age"]) == (True, "Lax", 48 * 3600)


def test_sign_out_needs_a_post_and_ends_session_and_binding(page_api, person, collection):
    api = page_api(person)
    api.post("uploads", {"collection": "mri-2026"})
    assert api.client.get(SIGN_OUT).status_code == 405
    response = api.client.post(SIGN_OUT, "", content_type="application/x-www-form-urlencoded", headers=api.headers)
    assert response.status_code == 302
    binding = response.cookies["__Host-sluice-binding"]
    # Without Secure and Path=/ browsers ignore the removal of a __Host- cookie.
    assert (binding.value, binding["max-age"], binding["secure"], binding["path"]) == ("", 0, True, "/")
    assert api.get("uploads").status_code == 401


def test_a_cookie_that_no_database_could_hold_is_no_session(client):
    response = client.get("/api/v1/uploads", headers={"Cookie": '__Host-sluice-session="abcdefghijkl\\000x"'})
    assert response.status_code == 401


def test_sixth_try_on_an_account_from_one_address_has_to_wait(client, person):
    for _ in range(5):
        assert post(client, SIGN_IN, username="ada", password="wrong").status_code == 200
    response = post(client, SIGN_IN, username="ADA", password=PASSWORD)
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 15 * 60
    assert b"Too many tries" in response.content
    assert client.get("/api/v1/uploads").status_code == 401


def test_wait_ends_with_its_window(client, person):
    for _ in range(6):
        post(client, SIGN_IN, username="ada", password="wrong")
    SignInTries.objects.update(window_ends_at=timezone.now() - datetime.timedelta(seconds=1))
    assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 302


def test_success_forgives_earlier_tries(client, person, browser):
    for _ in range(4):
        post(client, SIGN_IN, username="ada", password="wrong")
    assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 302
    other = browser()
    for _ in range(5):
        assert post(other, SIGN_IN, username="ada", password="wrong").status_code == 200


def test_tries_at_one_account_do_not_lock_out_its_owner_at_another_address():
    for _ in range(throttle.BY_ACCOUNT_AND_ADDRESS):
        throttle.take_a_try("ada", "192.0.2.1")
    with pytest.raises(throttle.TooManyTries):
        throttle.take_a_try("ada", "192.0.2.1")
    throttle.take_a_try("ada", "192.0.2.2")


def test_one_address_cannot_try_many_accounts():
    for number in range(throttle.BY_ADDRESS):
        throttle.take_a_try(f"person-{number}", "192.0.2.1")
    with pytest.raises(throttle.TooManyTries):
        throttle.take_a_try("another", "192.0.2.1")


def guess_from_twenty_addresses():
    for number in range(throttle.BY_ACCOUNT):
        with contextlib.suppress(throttle.TooManyTries):
            throttle.take_a_try("ada", f"192.0.2.{number // 5}")


def test_many_addresses_cannot_try_one_account_for_ever(monkeypatch):
    guess_from_twenty_addresses()
    throttle.take_a_try("ada", "198.51.100.1")  # the first one is heard, and no second
    with pytest.raises(throttle.TooManyTries):
        throttle.take_a_try("ada", "198.51.100.1")
    monkeypatch.setattr(throttle, "BY_ACCOUNT_FIRST_TRIES", throttle.BY_ACCOUNT + 1)
    with pytest.raises(throttle.TooManyTries):
        throttle.take_a_try("ada", "198.51.100.2")


def test_strangers_do_not_shut_the_owner_out_from_a_fresh_address_either(client, person):
    guess_from_twenty_addresses()
    assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 302


@pytest.mark.parametrize("from_their_address", [False, True])
def test_strangers_never_stand_in_the_way_where_the_owner_signed_in_before(client, person, from_their_address, monkeypatch):
    assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 302
    monkeypatch.setattr(throttle, "BY_ACCOUNT_FIRST_TRIES", 0)
    guess_from_twenty_addresses()
    for number in range(throttle.BY_ADDRESS if from_their_address else 0):
        with contextlib.suppress(throttle.TooManyTries):
            throttle.take_a_try(f"person-{number}", "127.0.0.1")
    for _ in range(throttle.BY_DEVICE):
        assert post(client, SIGN_IN, username="ada", password="wrong").status_code == 200
    assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 429  # it is no way to guess on
    SignInTries.objects.filter(count=throttle.BY_DEVICE).update(count=0)
    assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 302


def test_a_device_is_of_one_account_and_cannot_be_made_up(client, person, stranger):
    assert post(client, SIGN_IN, username="eve", password=PASSWORD).status_code == 302
    mark = client.cookies[devices.COOKIE].value
    for forged in (mark, mark[:-1] + ("A" if mark[-1] != "A" else "B"), "x", ""):
        client.cookies[devices.COOKIE] = forged
        SignInTries.objects.all().delete()
        for _ in range(throttle.BY_ACCOUNT_AND_ADDRESS):
            assert post(client, SIGN_IN, username="ada", password="wrong").status_code == 200
        assert post(client, SIGN_IN, username="ada", password=PASSWORD).status_code == 429


def test_an_ipv6_network_is_one_address():
    for number in range(throttle.BY_ACCOUNT_AND_ADDRESS):
        throttle.take_a_try("ada", f"2001:db8:1:2:{number}::1")
    with pytest.raises(throttle.TooManyTries):
        throttle.take_a_try("ada", "2001:db8:1:2:ffff::9")
    throttle.take_a_try("ada", "2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("no address") == ""


def test_a_try_that_is_refused_counts_nowhere():
    for _ in range(throttle.BY_ACCOUNT_AND_ADDRESS + 20):
        with contextlib.suppress(throttle.TooManyTries):
            throttle.take_a_try("ada", "192.0.2.1")
    assert set(SignInTries.objects.values_list("count", flat=True)) == {throttle.BY_ACCOUNT_AND_ADDRESS}


def test_throttle_keeps_neither_names_nor_addresses():
    throttle.take_a_try("ada", "192.0.2.1")
    keys = list(SignInTries.objects.values_list("key", flat=True))
    assert len(keys) == 3
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


def test_what_was_typed_for_an_unknown_account_is_kept_nowhere(client, db):
    post(client, SIGN_IN, username="my secret password", password="x")
    assert "secret" not in str(list(AuditEvent.objects.values()) + list(SignInTries.objects.values()))


def _signed_in(client):
    post(client, SIGN_IN, username="ada", password=PASSWORD)
    return client.session


def test_session_moves_its_end_ahead_while_it_is_used(client, person):
    session = _signed_in(client)
    session["seen_at"] = int(time.time()) - 301
    session.save()
    before = timezone.now() + datetime.timedelta(hours=1)
    Session.objects.update(expire_date=before)
    assert client.get("/api/v1/uploads").status_code == 200
    assert Session.objects.get().expire_date > before + datetime.timedelta(hours=46)


def test_session_is_written_at_most_once_in_five_minutes(client, person):
    _signed_in(client)
    client.get("/api/v1/uploads")
    before = Session.objects.get().session_data
    client.get("/api/v1/uploads")
    assert Session.objects.get().session_data == before


def test_session_ends_a_week_after_sign_in_at_the_latest(client, person):
    session = _signed_in(client)
    session["signed_in_at"] = int(time.time()) - 7 * 86400 - 1
    session.save()
    assert client.get("/api/v1/uploads").status_code == 401


def test_session_outlives_the_longest_default_upload(settings):
    assert settings.SESSION_COOKIE_AGE >= 2 * 86400


def test_the_page_after_signing_out_forgets_unfinished_uploads_and_no_other_does(browser, person):
    client = browser(person)
    assert "forget" not in client.get(SIGN_IN).content.decode()
    assert post(client, SIGN_OUT)["Location"] == SIGN_IN
    assert 'src="/static/pages/forget' in client.get(SIGN_IN).content.decode()
    assert "forget" not in client.get(SIGN_IN).content.decode()


def at_once(count, what):
    """The outcomes of `what(number)` in so many threads that begin together: what it returned or raised."""
    start, outcomes = threading.Barrier(count), []

    def run(number):
        try:
            start.wait()
            outcomes.append(what(number))
        except Exception as exc:  # noqa: BLE001  that is an outcome
            outcomes.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_tries_at_once_are_counted_one_by_one():
    outcomes = at_once(8, lambda number: throttle.take_a_try("ada", "192.0.2.1"))
    assert sorted(map(repr, outcomes)) == ["None"] * 5 + ["TooManyTries('too_many_tries')"] * 3


@pytest.mark.django_db(transaction=True)
def test_those_who_sign_in_at_once_do_not_wait_for_each_other_for_ever():
    # The account's row before the address's: a statement that updates both takes them in this order.
    for key, _ in reversed(throttle._bounds("ada", "192.0.2.1")):
        SignInTries.objects.create(key=key, count=0, window_ends_at=timezone.now() + throttle.WINDOW)

    def sign_in_often(number):
        for _ in range(25):
            throttle.take_a_try("ada", "192.0.2.1")
            throttle.give_the_try_back("ada", "192.0.2.1")

    assert at_once(4, sign_in_often) == [None] * 4
    assert set(SignInTries.objects.values_list("count", flat=True)) == {0}


OUR_PAGE, FORM = {"Origin": "https://localhost:8443"}, "application/x-www-form-urlencoded"


def signs_out(client, headers, path=SIGN_OUT, body="csrfmiddlewaretoken=" + "x" * 64) -> bool:
    client.post(path, body, content_type=FORM, headers=headers)
    return client.get("/api/v1/uploads").status_code == 401


@pytest.mark.parametrize("path", [SIGN_OUT, "/admin/logout/"])
def test_signing_out_works_from_a_page_of_ours_however_old_its_form_is(browser, operator, path):
    client = browser(operator)
    client.get("/accounts/login/")
    assert signs_out(client, OUR_PAGE, path)
    again = client.post(path, "", content_type=FORM, headers=OUR_PAGE)  # signed out already, in another tab
    assert again.status_code == 302


@pytest.mark.parametrize("path", [SIGN_OUT, "/admin/logout/"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "https://localhost"},
        {"Origin": "https://localhost:9443"},
        {"Origin": "http://localhost:8443"},
        {"Origin": "https://sub.localhost:8443"},
        {"Origin": "https://localhost:8443.evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {},
        {"Referer": "https://localhost:8443/"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_nobody_else_signs_a_person_out(browser, operator, headers, path):
    client = browser(operator)
    assert not signs_out(client, headers, path)
    assert client.get(path).status_code == 405 and client.get("/api/v1/uploads").status_code == 200


def test_a_browser_that_names_no_origin_signs_out_by_its_forms_token(client, person):
    post(client, SIGN_IN, username="ada", password=PASSWORD)
    token = client.cookies["__Host-sluice-csrf"].value
    assert signs_out(client, {"Referer": "https://localhost:8443/"}, body=f"csrfmiddlewaretoken={token}")


@pytest.mark.parametrize("path", [SIGN_OUT, "/admin/logout/"])
def test_a_page_of_before_somebody_else_signed_in_asks_before_it_signs_them_out(browser, person, operator, path):
    """Their form says whose it is; so does each of the forms that a person is shown."""
    old, client = browser(person), browser(operator)
    form = re.search(r'name="person" value="([^"]+)"', old.get("/").content.decode())[1]
    asked = client.post(path, f"person={form}", content_type=FORM, headers=OUR_PAGE)
    assert asked.status_code == 409 and "Sign olga out" in asked.content.decode()
    assert client.get("/api/v1/uploads").status_code == 200
    for shown in ("/", "/admin/"):
        assert f'name="person" value="{operator.uploader_id}"' in client.get(shown).content.decode()
    assert signs_out(client, OUR_PAGE, path, body=f"person={operator.uploader_id}")
