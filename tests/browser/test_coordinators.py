"""A coordinator finds what a site sent, sees it month by month, and takes it along; no name comes to rest on the web tier."""

import csv
import io
import json
import re
import zipfile

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings
from tests.browser.conftest import PASS_PHRASE, READER, make_person, sign_in, small, watch_for_faults
from tests.browser.test_access import LOW_CONTRAST, NAMELESS, SMALL_TARGETS
from tests.browser.test_look import SIZES
from tests.browser.test_names import expect_names
from tests.browser.test_privacy import holds_the_name
from tests.browser.upload_page import UploadPage

SENT = {
    "site-03": ["Müller Änne canary-of-the-page.zip"],
    "site-04": ["+export 4, part 2.zip", "export 4.zip"],
}
SLUG = "coordinated"


@pytest.fixture(scope="module")
def coordinator(stack, browser) -> dict:
    """The cookies of who coordinates a collection to which two sites sent three files."""
    for person in (*SENT, "coordinator"):
        make_person(stack, person)
    members = [argument for person in SENT for argument in ("--member", person)]
    stack.manage("web_app", "create_collection", SLUG, "--title", "Trial 7", *members, "--coordinator", "coordinator")
    for person, names in SENT.items():
        with browser.new_context(**READER) as context:
            page = context.new_page()
            sign_in(page, stack, person, PASS_PHRASE)
            uploads = UploadPage(page, stack.url).open()
            for name in names:
                uploads.upload(SLUG, small(name))
                uploads.row(name).expect_stored()
    with browser.new_context(**READER) as context:
        sign_in(context.new_page(), stack, "coordinator", PASS_PHRASE)
        return context.storage_state()


NEWEST_FIRST = ["export 4.zip", "_+export 4, part 2.zip", "Müller Änne canary-of-the-page.zip"]


@pytest.fixture
def page(browser, stack, coordinator, line):
    with browser.new_context(storage_state=coordinator, viewport=SIZES["desktop"], **READER) as context:
        page = context.new_page()
        faults = watch_for_faults(page)
        page.goto(stack.url + "/")
        page.get_by_role("link", name="Collections").click()
        page.get_by_role("link", name="Trial 7").click()
        expect_names(page, *NEWEST_FIRST)
        expect(page.locator("#totals")).to_contain_text("(Europe/Zurich)")
        yield page
        assert not faults


def saved(page: Page, press) -> bytes:
    with page.expect_download() as download:
        press.click()
    return download.value.path().read_bytes()


def test_what_one_site_sent_is_found_and_taken_along_with_and_without_names(page, stack):
    page.get_by_label("Person", exact=True).select_option(label="site-04")
    expect_names(page, *NEWEST_FIRST[:2])
    expect(page.locator("#totals")).to_contain_text(re.compile(r"Stored: 2 files, .*, by person and month \(Europe/Zurich\)"))
    table = saved(page, page.get_by_role("link", name="List (CSV)"))
    assert b"site-04" in table and b"site-03" not in table and b"export" not in table
    with zipfile.ZipFile(io.BytesIO(saved(page, page.get_by_role("link", name="Receipts (ZIP)")))) as archive:
        assert len(archive.namelist()) == 2
    named = saved(page, page.get_by_role("button", name="List with names (CSV)")).decode()
    rows = list(csv.DictReader(io.StringIO(named.removeprefix("\ufeff"), newline="")))
    assert [row["Name"] for row in rows] == NEWEST_FIRST[:2] and {row["Person"] for row in rows} == {"site-04"}
    page.get_by_label("Find by name").fill("part 2")
    expect_names(page, NEWEST_FIRST[1])
    person = page.get_by_label("Person", exact=True).input_value()
    assert page.url == f"{stack.url}/collections/{SLUG}/?person={person}&zone=Europe%2FZurich"


def test_a_receipt_from_the_list_is_told_to_be_genuine(page, stack):
    receipt = saved(page, page.get_by_role("link", name=f"Receipt of {NEWEST_FIRST[0]}"))
    page.goto(stack.url + "/verify/")
    page.set_input_files("#file-input", {"name": "receipt.jws", "mimeType": "application/jose", "buffer": receipt})
    expect(page.locator("#receipt-verdict")).to_contain_text("This receipt is genuine")
    expect(page.locator("#receipt-facts")).to_contain_text(f"Trial 7 ({SLUG})")
    expect(page.locator("#receipt-facts")).to_contain_text("ZIP (application/zip)")


def test_no_cell_made_in_the_browser_runs_in_a_spreadsheet(page):
    made = page.evaluate(
        """async () => {
            const { harmless } = await import(document.querySelector("script[src*=uploads]").src.replace(/uploads[^/]*js$/, "export.js"));
            return ["=1+1", "+1", "-1", "@x", "\\t=1", "\\r=1", " =1", "＝1", "plain", "a=b"].map(harmless);
        }"""
    )
    assert made == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "'\r=1", "' =1", "'＝1", "plain", "a=b"]


def test_names_are_nowhere_on_the_web_tier_after_a_coordinator_read_and_saved_them(page, stack):
    assert holds_the_name(saved(page, page.get_by_role("button", name="List with names (CSV)"))), "the positive control"
    for folder in (stack.web_state, stack.prefix / "logs", stack.logs):
        for path in folder.rglob("*"):
            assert not path.is_file() or not holds_the_name(path.read_bytes()), path.name


def test_another_collections_names_are_not_told_to_its_coordinator(page, stack):
    with page.expect_request("**/api/v1/names") as asked:
        page.reload()
    assert json.loads(asked.value.post_data)["collection"] == SLUG
    ask = """async ([body, token]) => {
        const headers = {"X-CSRFToken": token, "Content-Type": "application/json"};
        return (await fetch("/api/v1/names", {method: "POST", body, headers})).status;
    }"""
    token = page.locator("#listing").get_attribute("data-csrf-token")
    body = json.loads(asked.value.post_data)
    assert page.evaluate(ask, [json.dumps(body), token]) == 201
    assert page.evaluate(ask, [json.dumps({**body, "collection": "demo"}), token]) == 403


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_photographed_and_can_be_read_and_pressed(browser, stack, coordinator, line, screenshots, node_modules, scheme, size):
    options = {"viewport": SIZES[size], "color_scheme": scheme, "has_touch": size == "phone", **READER}
    with browser.new_context(storage_state=coordinator, **options) as context:
        page = context.new_page()
        for path, name in ((f"/collections/{SLUG}/", "collection"), ("/collections/", "collections"), ("/uploads/", "uploads-of-nobody")):
            page.goto(stack.url + path)
            if name == "collection":
                expect_names(page, *NEWEST_FIRST)
            page.screenshot(path=screenshots / f"{name}-{size}-{scheme}.png", full_page=True)
            assert page.evaluate(LOW_CONTRAST) == page.evaluate(SMALL_TARGETS) == page.evaluate(NAMELESS) == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert findings(page, node_modules) == [], name


def test_on_paper_stand_the_filters_and_the_totals(page, screenshots):
    page.get_by_label("Person", exact=True).select_option(label="site-04")
    expect_names(page, *NEWEST_FIRST[:2])
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 794, "height": 1123})
    expect(page.locator(".on-paper")).to_contain_text(re.compile(r"Trial 7 \(coordinated\), for coordinator .*, from site-04"))
    expect(page.locator("#totals figure")).to_be_visible()
    expect(page.locator("#exports")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    page.screenshot(path=screenshots / "collection-on-paper.png", full_page=True)
