"""What a person may ask for when uploads take hours: a screen that stays awake, and a notice at the end."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MIB, small
from tests.browser.upload_page import UploadPage

WATCH = """
window.held = []; window.notices = [];
Object.defineProperty(navigator, 'wakeLock', {value: {request: async (kind) => {
    const lock = {released: false, release: async () => { lock.released = true; }};
    window.held.push(lock);
    return lock;
}}});
window.Notification = class {
    static requestPermission = async () => window.allows ?? 'granted';
    constructor(title, {body}) { window.notices.push(`${title}: ${body}`); }
};
"""
AWAKE = "() => window.held.filter((lock) => !lock.released).length"


@pytest.fixture
def watched(page, stack, line):
    page.add_init_script(WATCH)
    return UploadPage(page, stack.url).open()


def test_the_screen_stays_awake_for_as_long_as_something_is_sent_and_a_notice_tells_the_end(watched, line, sized):
    line.rate = 4 * MIB
    watched.upload("archives", sized("private name.zip", 12 * MIB))
    page, row = watched.page, watched.row("private name.zip")
    awake, notice = page.get_by_label("Keep this screen awake"), page.get_by_label("Show a notice when all is done")
    expect(awake).not_to_be_checked()
    expect(notice).not_to_be_checked()
    assert page.evaluate("window.held.length") == 0
    awake.check()
    page.wait_for_function(f"({AWAKE})() === 1")
    notice.check()
    line.restore()
    row.expect_stored()
    page.wait_for_function(f"({AWAKE})() === 0")
    page.wait_for_function("window.notices.length > 0")
    assert page.evaluate("window.notices") == ["Sluice: 1 file stored."]


def test_nothing_of_it_happens_unasked(watched):
    watched.upload("demo", small("one.zip"))
    watched.row("one.zip").expect_stored()
    assert watched.page.evaluate("[window.held.length, window.notices.length]") == [0, 0]


def test_a_browser_that_shows_no_notices_is_not_taken_for_one_that_does(watched):
    watched.upload("demo", small("one.zip"))
    watched.row("one.zip").expect_stored()
    watched.page.evaluate("window.allows = 'denied'")
    notice = watched.page.get_by_label("Show a notice when all is done")
    notice.click()
    expect(notice).not_to_be_checked()
    expect(watched.page.locator("#announcements")).to_contain_text("does not allow")
