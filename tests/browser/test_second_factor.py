"""Second factors in a real browser: set up and used by keyboard; codes without scripts too, passkeys of a virtual authenticator."""

import base64
import hmac
import re
import time

from playwright.sync_api import expect

from tests.browser.conftest import PASS_PHRASE, make_person, sign_in
from tests.browser.test_own_account import holds_to_the_same, visitor  # noqa: F401  a fixture

SIGN_IN = "/accounts/login/"


class App:
    """Of an authenticator. It shows each code once, as people wait for the next: the one after it is taken as well."""

    def __init__(self, secret: str):
        self.secret, self.step = base64.b32decode(secret), 0

    def code(self) -> str:
        self.step = max(self.step + 1, int(time.time()) // 30)
        digest = hmac.digest(self.secret, self.step.to_bytes(8, "big"), "sha1")
        at = digest[-1] & 15
        return f"{(int.from_bytes(digest[at : at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


def give_password(page, stack, name: str) -> None:
    page.goto(stack.url + SIGN_IN)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASS_PHRASE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Second step")).to_be_visible()
    expect(page.get_by_label("Code", exact=True)).to_be_focused()


def test_an_app_is_set_up_and_asked_for_by_keyboard_and_its_recovery_code_lets_in_without_it(
    own_stack, visitor, node_modules, screenshots  # noqa: F811
):
    make_person(own_stack, "careful")
    page = visitor(permissions=["clipboard-read", "clipboard-write"])
    sign_in(page, own_stack, "careful", PASS_PHRASE)
    page.get_by_role("link", name="Second factor").click()
    holds_to_the_same(page, node_modules)
    page.get_by_role("link", name="Set up an app").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    app = App(secret := page.locator("#app-secret").inner_text())
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "set-up-app.png", full_page=True)
    expect(page.get_by_label("Code", exact=True)).to_be_focused()
    page.keyboard.type("12345")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the code that the app should show")
    holds_to_the_same(page, node_modules)
    page.keyboard.type(app.code())
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Keep your recovery codes")).to_be_visible()
    codes = page.locator(".codes code").all_inner_texts()
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "recovery-codes.png", full_page=True)
    page.get_by_role("button", name="Copy the recovery codes").click()
    expect(page.locator("#announcements")).to_have_text("Recovery codes copied.")
    assert page.evaluate("navigator.clipboard.readText()").split() == codes and len(codes) == 10
    page.get_by_role("link", name="I have kept them").click()
    page.get_by_role("link", name="Second factor").click()
    expect(page.get_by_text("Left: 10 of 10")).to_be_visible()
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "factors.png", full_page=True)

    other = visitor()
    give_password(other, own_stack, "careful")
    other.goto(own_stack.url + "/uploads/")
    expect(other.get_by_role("heading", name="Sign in")).to_be_visible()  # nothing opens before
    give_password(other, own_stack, "careful")
    holds_to_the_same(other, node_modules), other.screenshot(path=screenshots / "second-step.png")
    other.keyboard.type("12345")
    other.keyboard.press("Enter")
    expect(other.get_by_role("alert")).to_contain_text("That code is not right")
    holds_to_the_same(other, node_modules)
    other.keyboard.type(app.code())
    other.keyboard.press("Enter")
    other.wait_for_url(own_stack.url + "/")

    third = visitor()
    give_password(third, own_stack, "careful")
    third.keyboard.press("Tab")
    third.keyboard.press("Enter")
    expect(third.get_by_label("Recovery code")).to_be_visible()
    holds_to_the_same(third, node_modules)
    third.keyboard.press("Tab")
    third.keyboard.type(codes[0])
    third.keyboard.press("Enter")
    third.wait_for_url(own_stack.url + "/")
    logs = [*own_stack.logs.iterdir(), *(own_stack.prefix / "logs").iterdir()]
    assert logs and not any(one.encode() in log.read_bytes() for log in logs for one in (secret, *codes))
    assert not page.faults and not other.faults and not third.faults


def test_all_of_it_works_without_scripts(own_stack, visitor):  # noqa: F811
    make_person(own_stack, "scriptless")
    page = visitor(java_script_enabled=False)
    sign_in(page, own_stack, "scriptless", PASS_PHRASE)
    page.goto(own_stack.url + "/accounts/factors/app/")
    app = App(page.locator("#app-secret").inner_text())
    page.get_by_label("Code", exact=True).fill(app.code())
    page.get_by_role("button", name="Use this app from now on").click()
    assert re.fullmatch(r"([0-9a-z]{4}-){3}[0-9a-z]{4}", page.locator(".codes code").first.inner_text())
    other = visitor(java_script_enabled=False)
    other.goto(own_stack.url + SIGN_IN)
    other.get_by_label("User name").fill("scriptless")
    other.get_by_label("Password").fill(PASS_PHRASE)
    other.get_by_role("button", name="Sign in").click()
    other.get_by_label("Code", exact=True).fill(app.code())
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url(own_stack.url + "/")


def authenticator(page, **more) -> tuple:
    """One that verifies its person and keeps passkeys, as a telephone's; with its CDP session."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    usual = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**usual, "automaticPresenceSimulation": True, **more}})
    return session, made["authenticatorId"]


def test_a_passkey_is_made_used_alone_and_removed_by_keyboard(own_stack, visitor, node_modules, screenshots):  # noqa: F811
    make_person(own_stack, "modern")
    page = visitor()
    session, device = authenticator(page)
    sign_in(page, own_stack, "modern", PASS_PHRASE)
    page.goto(own_stack.url + "/accounts/factors/")
    page.get_by_role("link", name="Add a passkey").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Make the passkey")).to_be_visible()
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "add-passkey.png", full_page=True)
    page.get_by_label("Name").fill("Laptop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Keep your recovery codes")).to_be_visible()
    [kept] = session.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    assert kept["rpId"] == "localhost" and kept["isResidentCredential"]
    page.goto(own_stack.url + "/accounts/factors/")
    expect(page.locator(".key")).to_contain_text("Laptop")
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "passkeys.png", full_page=True)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("No passkey was used.")).to_be_visible()
    holds_to_the_same(page, node_modules), page.screenshot(path=screenshots / "login-passkey.png", full_page=True)
    session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
    page.get_by_role("button", name="Use a passkey").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(own_stack.url + "/")
    expect(page.locator(".person-name")).to_contain_text("modern")

    page.get_by_role("button", name="Sign out").click()
    give_password_of_a_passkey_owner(page, own_stack, "modern")
    holds_to_the_same(page, node_modules)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(own_stack.url + "/")
    page.goto(own_stack.url + "/accounts/factors/")
    page.get_by_role("button", name="Remove the passkey Laptop").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".key")).to_have_count(0)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="That passkey was not taken")).to_be_visible()
    holds_to_the_same(page, node_modules)
    assert not page.faults


def give_password_of_a_passkey_owner(page, stack, name: str) -> None:
    page.goto(stack.url + SIGN_IN)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASS_PHRASE)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Use a passkey")).to_be_visible()
    expect(page.get_by_text("Now your passkey.")).to_be_visible()


def test_without_scripts_there_is_no_button_that_does_nothing(own_stack, visitor):  # noqa: F811
    page = visitor(java_script_enabled=False)
    page.goto(own_stack.url + SIGN_IN)
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
