"""API keys on their page, as a person makes, copies and ends one; and pages without JavaScript."""

import re

import pytest
from playwright.sync_api import Page, expect

from dev.client import Client
from tests.browser.conftest import READER, make_person, sign_in
from tests.browser.test_access import NAMELESS, SMALL_TARGETS, low_contrast


@pytest.fixture(scope="module")
def script_author(stack, collections):
    make_person(stack, "scripts")
    stack.manage("web_app", "create_collection", "nightly", "--title", "Nightly exports", "--member", "scripts")


@pytest.fixture
def desk(browser, stack, script_author):
    with browser.new_context(viewport={"width": 360, "height": 740}, **READER) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stack.url)
        page = context.new_page()
        sign_in(page, stack, "scripts", "a-long-pass-phrase-of-theirs")
        yield page


def whoami(stack, key: str):
    return Client(stack.edge_port, stack.keys.edge_ca).send("GET", "/api/v1/whoami", [], 0, {"Authorization": f"Bearer {key}"})


def test_a_key_is_made_copied_once_used_and_ended(desk: Page, stack, screenshots):
    desk.get_by_role("link", name="API keys").click()
    desk.get_by_label("Name", exact=True).fill("Export of the scanner")
    expect(desk.get_by_label("Only send files")).to_be_checked()
    desk.get_by_label("Nightly exports").check()
    for scheme in ("light", "dark"):
        desk.emulate_media(color_scheme=scheme)
        desk.screenshot(path=screenshots / f"keys-{scheme}.png", full_page=True)
        assert (low_contrast(desk), desk.evaluate(SMALL_TARGETS), desk.evaluate(NAMELESS)) == ([], [], [])
        assert desk.evaluate("document.documentElement.scrollWidth") <= 360
    desk.get_by_role("button", name="Make the key").click()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Copy your key now")
    shown = desk.locator("#api-key").inner_text()
    assert (low_contrast(desk), desk.evaluate(SMALL_TARGETS), desk.evaluate(NAMELESS)) == ([], [], [])
    desk.get_by_role("button", name="Copy the key").click()
    expect(desk.locator("#announcements")).to_have_text("Key copied.")
    assert desk.evaluate("navigator.clipboard.readText()") == shown
    assert whoami(stack, shown).json()["api_key"]["collections"] == ["nightly"]
    desk.get_by_role("link", name="I have copied it").click()
    row = desk.get_by_role("listitem").filter(has_text="Export of the scanner")
    expect(row).to_contain_text("last used")
    assert shown not in desk.content()
    row.get_by_role("button", name="End the key").click()
    expect(desk.get_by_role("heading", name="Ended in the last 30 days")).to_be_visible()
    assert whoami(stack, shown).json()["code"] == "api_key_refused"


def test_without_scripts_nothing_looks_as_if_it_took_files(browser, signed_in, stack):
    with browser.new_context(storage_state=signed_in, java_script_enabled=False, **READER) as context:
        page = context.new_page()
        for path in ("/", "/verify/"):
            page.goto(stack.url + path)
            expect(page.locator("noscript .notice")).to_be_visible()
            expect(page.locator(".zone")).to_be_hidden()


def test_a_page_that_is_not_ready_takes_no_press_yet(page: Page, stack):
    page.route(re.compile(r"/static/pages/drop[^/]*\.js$"), lambda route: route.abort())
    page.goto(stack.url + "/")
    pressed = page.locator(".zone").evaluate("zone => getComputedStyle(zone).pointerEvents")
    assert pressed == "none"
