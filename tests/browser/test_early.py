"""What a person does before all of the page is there: it waits, and is done."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import an_archive, small
from tests.browser.test_folders import choose, filled
from tests.browser.upload_page import UploadPage

PRESSED = "() => { window.copied = []; navigator.clipboard.writeText = async (text) => { window.copied.push(text); }; }"


@pytest.fixture
def stored_once(uploads):
    """There is something in the list to copy the digest of."""
    uploads.upload("demo", small("before.zip"))
    uploads.row("before.zip").expect_stored()


@pytest.fixture
def held_back(page, stack):
    """The upload page, where one of the modules that come behind it fails to come until the routes are taken away."""
    page.route(re.compile(r"/static/pages/queue[^/]*\.js$"), lambda route: route.abort())
    page.goto(stack.url + "/")
    expect(page.locator("#preparing")).to_have_count(0)
    return UploadPage(page, stack.url)


def test_what_is_done_before_the_rest_of_the_page_is_there_is_not_lost(stored_once, held_back, page, tmp_path):
    early = held_back
    page.evaluate(PRESSED)
    early.upload("demo", small("chosen.zip"))
    choose(early, filled(tmp_path / "series", {"a.dcm": str(tmp_path).encode()}))
    data = page.evaluate_handle(
        "(bytes) => { const data = new DataTransfer(); data.items.add(new File([new Uint8Array(bytes)], 'dropped.zip')); return data; }",
        list(an_archive("dropped")),
    )
    page.dispatch_event("footer", "drop", {"dataTransfer": data})
    page.locator("#recent summary").first.click()
    copy = page.locator("#recent button.copy").first
    digest = copy.get_attribute("data-copy")
    copy.click()
    expect(page.locator("#notice")).to_contain_text("has not arrived yet. What you choose waits for it")
    asks = page.evaluate("() => !dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    assert asks, "who leaves now is asked"
    page.unroute_all(behavior="ignoreErrors")
    for name in ("chosen.zip", "series", "dropped.zip"):
        early.row(name).expect_stored()
    expect(page.locator("#notice")).to_be_hidden()
    assert page.evaluate("window.copied") == [digest]


def test_signing_out_asks_about_what_was_chosen_before_the_rest_is_there(page, held_back):
    held_back.upload("demo", small("chosen.zip"))
    page.get_by_role("button", name="Sign out").click()
    question = page.get_by_role("dialog", name="1 file is not finished. Sign out?")
    expect(question).to_be_visible()
    question.get_by_role("button", name="Stay").click()
    page.on("dialog", lambda dialog: dialog.accept())
