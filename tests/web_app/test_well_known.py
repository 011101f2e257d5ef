"""/.well-known/, the page that a password is changed on, and whom pages tell people to ask."""

import datetime
from urllib.parse import urlencode

import pytest
from django.core.checks import run_checks
from django.template.loader import render_to_string
from django.utils import timezone

from tests.web_app.conftest import PASSWORD, just_signed_in
from web_app.accounts import api_keys
from web_app.audit.models import AuditEvent
from web_app.audit.record import COMMAND

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
NEW = "quite another passphrase"


def day(days):
    return str(timezone.now().date() + datetime.timedelta(days=days))


@pytest.mark.parametrize(
    ("contact", "until", "status"),
    [
        ("mailto:security@example.org", day(30), 200),
        ("https://example.org/security", day(0), 200),
        ("tel:+49-30-5550102", day(364), 200),
        ("mailto:security@example.org", day(-1), 404),
        ("mailto:security@example.org", "", 404),
        ("", day(30), 404),
        ("", "", 404),
        ("security@example.org", day(30), 404),
        ("mailto:a@example.org\r\nExpires: 2099-01-01T00:00:00Z", day(30), 404),
    ],
)
def test_security_txt_is_there_while_its_operator_says_so_and_no_longer(browser, settings, contact, until, status):
    settings.SECURITY_CONTACT, settings.SECURITY_CONTACT_UNTIL = contact, until
    answer = browser().get("/.well-known/security.txt")
    assert answer.status_code == status
    if status == 200:
        assert answer["Content-Type"] == "text/plain; charset=utf-8"
        lines = answer.content.decode().split("\r\n")
        assert lines[:2] == [f"Contact: {contact}", f"Expires: {until}T23:59:59Z"]
        assert "Canonical: https://localhost:8443/.well-known/security.txt" in lines


@pytest.mark.parametrize(
    ("contact", "until", "refused"),
    [
        ("", "", False),
        ("mailto:a@example.org", "2020-01-01", False),
        ("a@example.org", "2027-01-01", True),
        ("mailto:a@example.org", "soon", True),
    ],
)
def test_half_a_security_contact_keeps_web_app_from_starting(settings, contact, until, refused):
    settings.SECURITY_CONTACT, settings.SECURITY_CONTACT_UNTIL = contact, until
    assert [problem.id for problem in run_checks() if problem.id == "web.E013"] == ["web.E013"] * refused


def test_a_password_manager_is_led_to_the_page_and_people_change_their_password_there(browser, person):
    assert browser().get("/.well-known/change-password")["Location"] == "/accounts/password/"
    client = browser(person)
    assert client.get("/accounts/password/")["Location"] == "/accounts/login/?next=/accounts/password/"
    just_signed_in(client)
    assert client.get("/accounts/password/").status_code == 200
    token = "t" * 32
    client.cookies["__Host-sluice-csrf"] = token
    api_keys.create(person, label="", who=COMMAND)

    def send(**fields):
        body = urlencode({"csrfmiddlewaretoken": token, **fields})
        return client.post("/accounts/password/", body, content_type=FORM, headers={"Referer": "https://localhost:8443/"})

    for wrong in ({"old_password": "no"}, {"new_password2": "another one than that"}, {"new_password1": "short", "new_password2": "short"}):
        fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW, **wrong}
        assert send(**fields).status_code == 400
    other = browser(person)
    changed = send(old_password=PASSWORD, new_password1=NEW, new_password2=NEW)
    assert (changed.status_code, changed["Location"]) == (302, "/accounts/password/changed/")
    assert client.get(changed["Location"]).status_code == 200
    assert other.get("/uploads/").status_code == 302
    person.refresh_from_db()
    assert person.check_password(NEW) and not api_keys.usable_of(person).exists()
    assert AuditEvent.objects.filter(action="password_changed", person=person).exists()


def test_old_passwords_are_tried_no_more_often_than_at_the_log_in_page(browser, person):
    client = just_signed_in(browser(person))
    client.cookies["__Host-sluice-csrf"] = token = "t" * 32
    fields = {"csrfmiddlewaretoken": token, "new_password1": NEW, "new_password2": NEW}

    def guess(old):
        body = urlencode({**fields, "old_password": old})
        return client.post("/accounts/password/", body, content_type=FORM, headers={"Referer": "https://localhost:8443/"})

    assert [guess(f"guess {number}").status_code for number in range(7)] == [400] * 5 + [429] * 2
    refused = guess(PASSWORD)
    assert (refused.status_code, int(refused["Retry-After"]) > 60) == (429, True)
    person.refresh_from_db()
    assert person.check_password(PASSWORD)


def test_the_contact_stands_on_the_sign_in_page_and_wherever_a_page_sends_people_to_the_operator(browser, person, settings):
    seen = [browser().get("/accounts/login/"), browser(person).get("/")]
    assert all("desk@example.org" not in answer.content.decode() for answer in seen)
    settings.OPERATOR_CONTACT = "Data desk <desk@example.org>"
    for answer in (browser().get("/accounts/login/"), browser(person).get("/")):
        assert "Data desk &lt;desk@example.org&gt;" in answer.content.decode()
    for page in ("403.html", "500.html", "503.html"):
        assert "your Sluice operator (Data desk &lt;desk@example.org&gt;)" in render_to_string(page)
