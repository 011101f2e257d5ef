"""The pages in the language that the browser asks for."""

import os
import re

import pytest
from babel.messages.pofile import read_po
from playwright.sync_api import expect

from tests.browser.axe import findings
from tests.browser.conftest import READER, give_up_all, small, watch_for_faults
from tests.browser.upload_page import UploadPage
from tests.conftest import STATE

ROOT = STATE.parent

PHONE = {"width": 360, "height": 740}
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": PHONE}
PAGES = ("/", "/uploads/", "/keys/", "/verify/", "/collections/", "/accounts/sessions/", "/accounts/password/")
PAGES += ("/accounts/factors/", "/accounts/factors/app/", "/accounts/factors/passkey/", "/no-such-page")
STORED = {
    "en-GB": "Stored and verified",
    "de-AT": "Gespeichert und geprüft",
    "es-MX": "Almacenado y verificado",
    "fr-CH": "Stocké et vérifié",
    "pt-PT": "Armazenado e verificado",
}


@pytest.fixture
def in_language(browser, stack, collections):
    """A function: a page of a browser that asks for that language, with other options of the context."""
    opened = []
    give_up_all(stack)

    def open_one(locale: str, **options):
        context = browser.new_context(**{**READER, **options, "locale": locale})
        opened.append((context, watch_for_faults(page := context.new_page())))
        return page

    yield open_one
    for context, faults in opened:
        context.close()
        assert not faults


def longest_state(locale: str) -> str:
    states = re.compile(r"(Refused|Ended|Stopped): ")
    if locale.startswith("en"):
        return "Refused: a form, not the file"
    with (ROOT / "web_app" / "locale" / locale[:2] / "LC_MESSAGES" / "django.po").open("rb") as file:
        return max((one.string for one in read_po(file) if isinstance(one.id, str) and states.match(one.id)), key=len)


def test_who_reads_german_signs_in_sends_and_finds_it_again_in_german(in_language, stack, screenshots, node_modules):
    page = in_language("de-AT", viewport=SIZES["desktop"])
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(stack.url + "/accounts/login/")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    assert findings(page, node_modules) == []
    page.get_by_label("Benutzername").fill(stack.username)
    page.get_by_label("Passwort").fill(stack.password)
    page.get_by_role("button", name="Anmelden").click()
    page.wait_for_url(stack.url + "/")
    page.wait_for_load_state("networkidle")
    # What is said in other languages is not fetched.
    assert len({url for url in asked if "/texts/" in url}) == 1
    uploads = UploadPage(page, stack.url)
    uploads.upload("small", small("Bericht.csv", b"a;b\n" + os.urandom(754).hex().encode()))
    row = uploads.row("Bericht.csv")
    row.expect_stored()
    expect(row.part("state")).to_have_text("Gespeichert und geprüft")
    expect(row.part("size")).to_have_text("1,5 KiB")
    row.button("Details").click()
    expect(row.element.locator("dd", has_text=re.compile(r"1,5 KiB \(1[.\u00a0]512 Byte\)"))).to_be_visible()
    assert findings(page, node_modules) == []
    page.screenshot(path=screenshots / "de-AT-sent-desktop.png", full_page=True)
    listed = page.locator("#recent tr", has=page.locator(f"[data-copy='{row.digest}']"))
    expect(listed.locator(".badge")).to_have_text("Gespeichert und geprüft")
    page.goto(stack.url + "/uploads/")
    expect(page.get_by_role("heading", name="Ihre Uploads")).to_be_visible()
    expect(page.locator("[data-part=count]")).to_contain_text("Upload")
    assert findings(page, node_modules) == []


@pytest.mark.parametrize("locale", STORED)
def test_every_page_fits_a_phone_in_every_language(in_language, signed_in, stack, screenshots, node_modules, locale):
    page = in_language(locale, viewport=PHONE, has_touch=True, storage_state=signed_in)
    for path in PAGES:
        page.goto(stack.url + path)
        page.wait_for_load_state("networkidle")
        # Whatever stands in the list: the longest of all that can.
        page.evaluate("text => document.querySelectorAll('.badge').forEach(badge => { badge.textContent = text; })", longest_state(locale))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        page.screenshot(path=screenshots / f"{locale}-{path.strip('/').replace('/', '-') or 'upload'}-phone.png", full_page=True)
    uploads = UploadPage(page, stack.url).open()
    content = locale.encode() + os.urandom(9).hex().encode()
    uploads.upload("small", small(f"{locale}.txt", content), small(f"{locale} large.bin", bytes(2 << 20)))
    stored, refused = uploads.row(f"{locale}.txt"), uploads.row(f"{locale} large.bin")
    stored.expect_stored()
    refused.expect_state("stopped")
    expect(stored.part("state")).to_have_text(STORED[locale])
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert findings(page, node_modules) == []
    page.screenshot(path=screenshots / f"{locale}-sent-phone.png", full_page=True)


def test_a_catalog_that_cannot_be_had_leaves_the_page_in_english_and_at_work(in_language, signed_in, stack):
    page = in_language("de-DE", storage_state=signed_in)
    page.route(re.compile(r"/texts/de[^/]*\.js$"), lambda route: route.abort())
    uploads = UploadPage(page, stack.url).open()
    uploads.upload("small", small("without.txt", os.urandom(9).hex().encode()))
    row = uploads.row("without.txt")
    row.expect_state("stored")
    expect(row.part("state")).to_have_text("Stored and verified")
