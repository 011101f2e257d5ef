"""Where a person is signed in: seen, ended from another browser, and ended by idling."""

import re
import time
from importlib import import_module

import pytest
from django.apps import apps
from django.core.checks import run_checks

from tests.web_app.conftest import PASSWORD
from tests.web_app.test_own_passwords import ask
from web_app.accounts import sessions
from web_app.accounts.models import Session
from web_app.audit.models import AuditEvent
from web_app.grants.models import Browser, Revocation
from web_app.tokens.claims import cookie_digest

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"
COOKIE = "__Host-sluice-binding"
HERE, END = "/accounts/sessions/", "/accounts/sessions/end"


def signed_in(browser, name="ada", agent=FIREFOX):
    client = browser()
    client.defaults["HTTP_USER_AGENT"] = agent
    ask(client, "/accounts/login/", username=name, password=PASSWORD)
    return client


def begun(client) -> str:
    """The digest of what an upload's token is bound to in this browser."""
    token = client.cookies["__Host-sluice-csrf"].value
    answer = client.post(
        "/api/v1/uploads", '{"collection": "mri-2026"}', content_type="application/json",
        headers={"X-CSRFToken": token, "Origin": "https://localhost:8443"},
    )
    assert answer.status_code == 201, answer.content
    return cookie_digest(client.cookies[COOKIE].value)


def refs(client) -> list[str]:
    return re.findall(r'name="ref" value="([0-9a-f]+)"', client.get(HERE).content.decode())


def is_in(client) -> bool:
    return client.get("/api/v1/uploads").status_code == 200


def test_all_sessions_are_shown_and_no_key_and_no_whole_name_of_a_browser(browser, person, stranger):
    here, other, hers = signed_in(browser), signed_in(browser, agent="curl/8"), signed_in(browser, "eve")
    text = here.get(HERE).content.decode()
    assert "Firefox on Windows" in text and "A browser on an unknown system" in text
    assert text.count("this one") == 1 and len(refs(here)) == 1
    for client in (here, other, hers):
        assert client.cookies["__Host-sluice-session"].value not in text
    assert "142.0" not in str([row.get_decoded() for row in Session.objects.all()])


@pytest.mark.parametrize("how", ["one", "others"])
def test_ending_another_one_is_signing_out_there_and_touches_nothing_else(browser, person, stranger, collection, how):
    here, other, hers = signed_in(browser), signed_in(browser), signed_in(browser, "eve")
    bound_here, bound_there = begun(here), begun(other)
    assert ask(here, END, **({"ref": refs(here)[0]} if how == "one" else {})).status_code == 302
    assert (is_in(here), is_in(other), is_in(hers)) == (True, False, True)
    assert [*Revocation.objects.values_list("browser", flat=True)] == [bound_there] != [bound_here]
    event = AuditEvent.objects.get(action="session_ended")
    assert (event.actor, event.person) == (person, person)
    assert not refs(here)
    ask(here, END)
    assert AuditEvent.objects.filter(action="session_ended").count() == 1, "there was nothing to end"


def test_one_person_has_so_many_sessions_and_signing_in_ends_what_was_used_longest_ago(browser, person, stranger, collection, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    hers, first = signed_in(browser, "eve"), signed_in(browser)
    bound = begun(first)
    second, third = signed_in(browser), signed_in(browser)
    assert [is_in(client) for client in (hers, first, second, third)] == [True, False, True, True]
    assert [*Revocation.objects.values_list("browser", flat=True)] == [bound]
    assert AuditEvent.objects.get(action="session_ended").person == person


def test_nobody_ends_a_session_of_somebody_else(browser, person, stranger):
    here, hers, third = signed_in(browser), signed_in(browser, "eve"), signed_in(browser, "eve")
    for ref in refs(hers):
        ask(here, END, ref=ref)
    ask(here, END)
    assert is_in(hers) and is_in(third)
    assert browser().get(HERE).status_code == 302
    assert browser().post(END, "", content_type="application/x-www-form-urlencoded").status_code == 403


@pytest.mark.parametrize(
    ("allowed", "idle", "stays"),
    [(3600, 3500, True), (3600, 4000, False), (0, 40 * 3600, True), (14400, 4 * 3600 - 1, True), (14400, 4 * 3600 + 301, False)],
)
def test_an_idle_session_ends_and_what_is_being_sent_does_not(browser, person, collection, settings, allowed, idle, stays):
    settings.SESSION_IDLE = allowed
    client = signed_in(browser)
    begun(client)
    session = client.session
    session["signed_in_at"] = session["seen_at"] = int(time.time()) - idle
    session.save()
    assert is_in(client) == stays
    assert not Revocation.objects.exists()


def test_an_idle_time_below_nothing_keeps_web_app_from_starting(settings):
    settings.SESSION_IDLE = -1
    assert [problem.id for problem in run_checks() if problem.id == "web.E016"] == ["web.E016"]


def test_what_went_on_behind_an_idle_session_ends_with_the_sign_in_that_follows(browser, person, collection, settings):
    client, there = signed_in(browser), signed_in(browser)
    bound = begun(client)
    session = client.session
    session["seen_at"] = int(time.time()) - 2 * settings.SESSION_IDLE
    session.save()
    assert not refs(there)
    assert not is_in(client)
    ask(client, "/accounts/login/", username="ada", password=PASSWORD)
    assert Browser.objects.get().digest == bound and not Revocation.objects.exists()
    [ref] = refs(there)
    ask(there, END, ref=ref)
    assert Revocation.objects.get().browser == bound


def test_sessions_end_with_the_password_in_the_list_too(browser, person):
    signed_in(browser), signed_in(browser)
    person.set_password("quite another passphrase")
    person.save()
    assert not Session.objects.exists()


def test_who_is_signed_in_stays_so_over_the_upgrade(browser, person):
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session as Before

    client = signed_in(browser)
    held, key = client.session.load(), client.cookies["__Host-sluice-session"].value
    Session.objects.all().delete()
    Before.objects.create(session_key=key, session_data=SessionStore().encode(held), expire_date="2099-01-01T00:00Z")
    import_module("web_app.accounts.migrations.0005_session").carry_over(apps, None)
    assert Session.objects.get().person == person
    assert is_in(client)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1 Version/19.0 Safari/604.1", "Safari on an iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/19.0 Safari/605.1.15", "Safari on a Mac"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
        ("", "A browser on an unknown system"),
        ("<script>", "A browser on an unknown system"),
    ],
)
def test_a_browser_is_named_roughly(agent, said):
    assert sessions.rough_name(agent) == said
