"""People get a password without an operator: by mail when it was forgotten, by invitation the first time."""

import io
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from django.core import mail, signing
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.waiting import wait_for
from tests.web_app.conftest import PASSWORD
from tests.web_app.test_sensitive import admin, clerk, post  # noqa: F401  fixtures
from web_app.accounts import api_keys, links, throttle
from web_app.accounts import post as letters
from web_app.accounts.models import User
from web_app.audit.models import AuditEvent, SecurityEvent
from web_app.audit.record import COMMAND
from web_app.config.errors import WebBusy

pytestmark = pytest.mark.django_db
FORGOTTEN, NEW, SENT = "/accounts/forgotten/", "/accounts/new-password/", "/accounts/forgotten/sent/"
FRESH = "quite another passphrase"


@pytest.fixture(autouse=True)
def mails(settings, monkeypatch):
    """What was asked to be done behind the answer; `do()` does it."""
    settings.MAIL_IS_SET, settings.DEFAULT_FROM_EMAIL = True, "Sluice <sluice@example.org>"
    settings.OPERATOR_CONTACT = "Data desk, +49 30 555 01 02"

    class Asked(list):
        def do(self):
            while self:
                task, arguments = self.pop(0)
                task(*arguments)

    asked = Asked()
    monkeypatch.setattr(letters, "later", lambda task, *arguments, **_: asked.append((task, arguments)))
    return asked


@pytest.fixture
def ada(person):
    person.email = "ada@example.org"
    person.save()
    return person


def ask(client, path, **fields):
    client.cookies["__Host-sluice-csrf"] = "t" * 32
    body = urlencode({**fields, "csrfmiddlewaretoken": "t" * 32})
    return client.post(path, body, content_type="application/x-www-form-urlencoded", headers={"Origin": "https://localhost:8443"})


def link_of(message) -> str:
    return re.search(r"https://localhost:8443/accounts/new-password/#(\S+)", message.body)[1]


def set_by(client, link, password=FRESH):
    return ask(client, NEW, link=link, new_password1=password, new_password2=password)


def test_a_forgotten_password_is_set_once_by_the_link_of_the_mail_and_what_the_old_one_opened_ends(browser, ada, mails):
    elsewhere, (key, _) = browser(ada), api_keys.create(ada, label="", who=COMMAND)
    client = browser()
    answer = ask(client, FORGOTTEN, who="ada")
    assert (answer.status_code, answer["Location"]) == (302, SENT)
    mails.do()
    link = link_of(mail.outbox[0])
    opened = client.get(NEW)
    assert (opened.status_code, opened["Cache-Control"]) == (200, "max-age=0, no-cache, no-store, must-revalidate, private")
    assert set_by(client, link, "short").status_code == 400
    done = set_by(client, link)
    assert done.status_code == 200 and b"Your user name is ada" in done.content
    ada.refresh_from_db(), key.refresh_from_db()
    assert ada.check_password(FRESH) and key.revoked_at is not None
    assert elsewhere.get("/api/v1/uploads").status_code == 401
    again = set_by(client, link, "a third long passphrase")
    assert again.status_code == 400 and b"no longer good" in again.content
    ada.refresh_from_db()
    assert ada.check_password(FRESH)
    assert [*AuditEvent.objects.filter(person=ada, action__startswith="password").values_list("action", flat=True)] == [
        "password_changed", "password_link_sent"
    ]


def test_the_mail_holds_the_link_who_sends_it_and_whom_to_ask_and_nothing_else(browser, ada, mails):
    ask(browser(), FORGOTTEN, who="ada@example.org")
    mails.do()
    [message] = mail.outbox
    assert (message.subject, message.to, message.from_email) == (
        "Set a new password (Sluice)", ["ada@example.org"], "Sluice <sluice@example.org>"
    )
    assert message.body.replace(link_of(message), "LINK") == (
        "Somebody asked for a new password for your account at https://localhost:8443. If that was you, set it here within an hour:\n\n"
        "https://localhost:8443/accounts/new-password/#LINK\n\n"
        "If it was not you, nothing needs to be done: nothing has changed.\n\n"
        "Questions? Ask Data desk, +49 30 555 01 02.\n\n-- \nSluice, https://localhost:8443\n"
    )
    assert message.extra_headers == {"Auto-Submitted": "auto-generated"} and not message.attachments


def _without_a_password(person):
    person.set_unusable_password()


def _not_active(person):
    person.is_active = False


def _without_an_address(person):
    person.email = ""


@pytest.mark.parametrize(
    ("typed", "change", "count"),
    [
        ("ada", None, 1),
        ("ADA@example.ORG", None, 1),
        (" ada ", None, 1),
        ("nobody", None, 0),
        ("ada@exam\u017fle.org", None, 0),
        ("\u0430da", None, 0),
        ("ada", _without_a_password, 0),
        ("ada", _not_active, 0),
        ("ada", _without_an_address, 0),
    ],
)
def test_the_answer_is_the_same_whoever_was_named_and_looked_up_behind_it(browser, ada, mails, typed, change, count):
    if change is not None:
        change(ada)
        ada.save()
    client = browser()
    with CaptureQueriesContext(connection) as asked:
        answer = ask(client, FORGOTTEN, who=typed)
    assert (answer.status_code, answer["Location"], len(mails)) == (302, SENT, 1)
    assert not any("accounts_user" in query["sql"] for query in asked)
    mails.do()
    assert len(mail.outbox) == count


def test_links_are_bounded_by_person_and_those_who_ask_by_network(browser, ada, mails):
    client = browser()
    for number in range(throttle.ASKS_BY_ADDRESS):
        assert ask(client, FORGOTTEN, who="ada" if number % 2 else "nobody").status_code == 302
    refused = ask(client, FORGOTTEN, who="ada")
    assert refused.status_code == 429 and 0 < int(refused["Retry-After"]) <= 3600
    assert SecurityEvent.objects.get().kind == "password_link_throttled"
    mails.do()
    assert len(mail.outbox) == throttle.LINKS_BY_PERSON


@pytest.mark.parametrize("what", ["age", "sign-in", "address", "closed", "another's", "kind", "damage"])
def test_a_link_ends_with_whatever_makes_it_doubtful(browser, ada, stranger, monkeypatch, what):
    secret = links.link_for(ada, links.FORGOTTEN).rpartition("#")[2]
    assert links.person_of(secret) == ada
    if what == "age":
        now = signing.time.time()
        monkeypatch.setattr(signing.time, "time", lambda: now + 3601)
    elif what == "sign-in":
        ask(browser(), "/accounts/login/", username="ada", password=PASSWORD)
    elif what == "address":
        User.objects.filter(pk=ada.pk).update(email="eve@example.org")
    elif what == "closed":
        User.objects.filter(pk=ada.pk).update(is_active=False)
    else:
        said = signing.loads(secret, salt=links._SALT)
        other = {"another's": [said[0], stranger.uploader_id, said[2]], "kind": ["forever", *said[1:]]}.get(what)
        secret = signing.dumps(other, salt=links._SALT) if other else secret[:-1] + ("A" if secret[-1] != "A" else "B")
    answer = set_by(browser(), secret)
    assert answer.status_code == 400 and b"no longer good" in answer.content
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD)


def test_without_a_mail_server_people_are_sent_to_the_operator(browser, settings):
    settings.MAIL_IS_SET = False
    assert b"Ask your Sluice operator (Data desk" in browser().get(FORGOTTEN).content
    assert b"forgotten/" not in browser().get("/accounts/login/").content


def invited(*arguments) -> str:
    said = io.StringIO()
    call_command("invite", *arguments, stdout=said)
    return said.getvalue().strip()


def test_an_invitation_makes_the_person_and_is_printed_once_or_sent(browser, db, settings):
    assert invited("grace", "--email", "grace@example.org") == "grace was sent a link."
    assert mail.outbox[0].subject == "Set your password (Sluice)"
    assert set_by(browser(), link_of(mail.outbox[0])).status_code == 200
    assert User.objects.get(username="grace").check_password(FRESH)
    with pytest.raises(CommandError, match="has a password"):
        invited("grace")
    settings.MAIL_IS_SET = False
    link = invited("lin")
    assert link.startswith("https://localhost:8443/accounts/new-password/#")
    assert set_by(browser(), link).status_code == 200, "the whole link may be pasted"
    with pytest.raises(CommandError, match="no e-mail address"):
        settings.MAIL_IS_SET = True
        invited("hal")
    assert not User.objects.filter(username="hal").exists()


@pytest.mark.parametrize("by_mail", [True, False])
def test_an_operator_invites_in_the_admin_and_nobody_invites_another_operator(
    admin, clerk, ada, settings, mails, django_capture_on_commit_callbacks, by_mail  # noqa: F811
):
    settings.MAIL_IS_SET = by_mail
    lin = User.objects.create_user("lin", email="lin@example.org")
    chief = User.objects.create_user("chief", email="chief@example.org", is_staff=True)
    client = admin(clerk)
    with django_capture_on_commit_callbacks(execute=True):
        answer = post(client, "user/", action="invite", _selected_action=[lin.pk, ada.pk])
    mails.do()
    if by_mail:
        assert [message.to for message in mail.outbox] == [["lin@example.org"]]
        assert b"no-store" not in answer.content
    else:
        assert answer.content.count(b"new-password/#") == 1 and "no-store" in answer["Cache-Control"]
    assert post(client, "user/", action="invite", _selected_action=[chief.pk]).status_code == 403


@pytest.mark.parametrize(
    ("host", "tls", "sender", "found"),
    [
        ("mail.example.org", True, "Sluice <sluice@example.org>", []),
        ("localhost", False, "sluice@example.org", []),
        ("mail.example.org", False, "sluice@example.org", ["web.E015"]),
        ("mail.example.org", True, "", ["web.E014"]),
        ("mail.example.org", True, "a@b\nBcc: c@d", ["web.E014"]),
    ],
)
def test_half_a_mail_server_keeps_web_app_from_starting(settings, host, tls, sender, found):
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.DEFAULT_FROM_EMAIL = host, tls, sender
    assert [problem.id for problem in run_checks() if problem.id in ("web.E014", "web.E015")] == found


def test_what_is_done_behind_the_answers_is_bounded_and_a_fault_in_it_makes_room_again(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(letters, "_room", threading.BoundedSemaphore(2))
    go, tried = threading.Event(), []

    def task():
        assert go.wait(10)
        tried.append(1)
        raise letters.NotSent("away")

    letters.later(task), letters.later(task)
    with pytest.raises(WebBusy):
        letters.later(task)
    letters.later(task, by_operator=True)
    go.set()
    wait_for(lambda: len(tried) == 3)
    wait_for(lambda: letters._room.acquire(blocking=False))


def test_a_mail_for_which_no_thread_can_be_begun_goes_with_the_next_one(monkeypatch):
    monkeypatch.undo()
    of_one, done = ThreadPoolExecutor(1), []
    monkeypatch.setattr(letters, "_clerk", of_one)
    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", lambda _: (_ for _ in ()).throw(RuntimeError("can't start new thread")))
        letters.later(done.append, 1)
    letters.later(done.append, 2)
    wait_for(lambda: done == [1, 2])
    of_one.shutdown()
