"""A person's own account in a real browser: a forgotten password over a real SMTP server, sessions elsewhere, and idling."""

import re
from email import message_from_bytes

import pytest
from aiosmtpd.controller import Controller
from playwright.sync_api import expect

from dev.ports import free_ports
from tests.browser.axe import findings
from tests.browser.conftest import MIB, PASS_PHRASE, READER, make_person, sign_in, small, watch_for_faults
from tests.browser.test_access import NAMELESS, SMALL_TARGETS, low_contrast
from tests.waiting import wait_for

FRESH = "a-fresh-pass-phrase-of-theirs"


class Mailbox:
    """What the server was given, whole."""

    def __init__(self):
        self.letters: list[bytes] = []

    async def handle_DATA(self, server, session, envelope):
        self.letters.append(envelope.content)
        return "250 taken"


@pytest.fixture
def mailbox(own_stack):
    """A real SMTP server, which web_app of this stack knows of."""
    box, [port] = Mailbox(), free_ports(1)
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    mail = {"EMAIL_URL": f"smtp://127.0.0.1:{port}", "EMAIL_FROM": "Sluice <sluice@example.org>", "OPERATOR_CONTACT": "Data desk"}
    own_stack.restart("web_app", mail)
    yield box
    server.stop()
    own_stack.restart("web_app")


@pytest.fixture
def visitor(own_context, own_stack):
    """Makes browsers of people who are not signed in."""
    made = []

    def make(**more):
        context = own_context.browser.new_context(**{**READER, **more})
        made.append(context)
        page = context.new_page()
        page.faults = watch_for_faults(page)
        return page

    yield make
    for context in made:
        context.close()


def holds_to_the_same(page, node_modules) -> None:
    """What test_access asks of each page."""
    page.set_viewport_size({"width": 360, "height": 740})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert low_contrast(page) == []
        assert page.evaluate(SMALL_TARGETS) == [] and page.evaluate(NAMELESS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("h1").count() == 1
        assert findings(page, node_modules) == []


def test_a_forgotten_password_comes_back_by_mail_and_what_opens_the_account_reaches_no_log(
    own_stack, mailbox, visitor, node_modules, screenshots
):
    make_person(own_stack, "forgetful")
    there = visitor()
    sign_in(there, own_stack, "forgetful", PASS_PHRASE)
    page = visitor()
    page.goto(own_stack.url + "/accounts/login/")
    page.get_by_role("link", name="Forgotten your password?").click()
    expect(page.get_by_label("User name or e-mail address")).to_be_focused()
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "forgotten.png")
    page.keyboard.type("forgetful@example.org")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    holds_to_the_same(page, node_modules)

    [letter] = wait_for(lambda: mailbox.letters)
    read = message_from_bytes(letter)
    text = read.get_payload(decode=True).decode()
    link = re.search(r"https://\S+#\S+", text)[0]
    secret = link.rpartition("#")[2]
    assert (read["To"], read["From"]) == ("forgetful@example.org", "Sluice <sluice@example.org>")
    assert "forgetful" not in text and text.count("https://") == 3 and "Data desk" in text

    page.goto(link)
    expect(page.get_by_label("New password", exact=True)).to_be_focused()
    assert secret not in page.url and page.locator("#link-field").is_hidden()
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "new-password.png")
    page.keyboard.type(FRESH)
    page.keyboard.press("Tab")
    page.keyboard.type(FRESH)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your user name is forgetful")).to_be_visible()
    holds_to_the_same(page, node_modules)
    sign_in(page, own_stack, "forgetful", FRESH)
    there.goto(own_stack.url + "/")
    expect(there.get_by_role("heading", name="Sign in")).to_be_visible()

    again = visitor()
    again.goto(link)
    again.get_by_label("New password", exact=True).fill(FRESH)
    again.get_by_label("New password, once more").fill(FRESH)
    again.get_by_role("button", name="Set it").click()
    expect(again.get_by_role("heading", name="This link is no longer good")).to_be_visible()
    holds_to_the_same(again, node_modules)
    logs = [*own_stack.logs.iterdir(), *(own_stack.prefix / "logs").iterdir()]
    assert logs and not any(secret.encode() in log.read_bytes() for log in logs)
    assert not page.faults and not again.faults


def test_one_sees_where_one_is_signed_in_and_ends_it_there_by_keyboard(own_stack, visitor, node_modules, screenshots):
    make_person(own_stack, "everywhere")
    here, there = visitor(), visitor(user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1")
    for page in (here, there):
        sign_in(page, own_stack, "everywhere", PASS_PHRASE)
    here.get_by_role("link", name="Where you are signed in").click()
    rows = here.locator(".key")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Chrome on Linux this one")
    expect(rows.last).to_contain_text("Safari on an iPhone")
    holds_to_the_same(here, node_modules)
    here.screenshot(path=screenshots / "sessions-phone-dark.png", full_page=True)
    end = rows.last.get_by_role("button", name="End Safari on an iPhone")
    end.focus()
    here.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    there.goto(own_stack.url + "/uploads/")
    expect(there.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not here.faults


@pytest.fixture
def hasty(own_stack):
    """People are signed out after three seconds without a request."""
    own_stack.restart("web_app", {"SESSION_IDLE": "3"})
    yield
    own_stack.restart("web_app")


def test_an_upload_outlives_its_idle_session_and_is_done_once_its_person_has_signed_in_again(hasty, own_stack, own_line, visitor, sized):
    from tests.browser.upload_page import UploadPage

    make_person(own_stack, "patient")
    own_stack.manage("web_app", "create_collection", "idle", "--title", "idle", "--member", "patient")
    page = visitor()
    sign_in(page, own_stack, "patient", PASS_PHRASE)
    uploads = UploadPage(page, own_stack.url).open()
    own_line.rate = 4 * MIB
    uploads.upload("idle", sized("night.zip", 40 * MIB))     # ten seconds, in which nothing is asked of web_app
    row = uploads.row("night.zip")
    row.expect_state("stopped")
    own_line.restore()
    expect(row.part("state")).to_have_text("Stored, but not confirmed yet")
    uploads.add(small("next.zip"))
    uploads.row("next.zip").expect_refused("sign_in_required")
    other = page.context.new_page()
    sign_in(other, own_stack, "patient", PASS_PHRASE)
    other.close()
    page.evaluate("dispatchEvent(new Event('focus'))")
    row.expect_stored_at_last()
    uploads.row("next.zip").expect_stored_at_last()
    assert not page.faults
