"""What people and machines do at odd moments: a click too many, the same file again, a browser that keeps nothing."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import READER, sign_in, small, value
from tests.browser.test_interruptions import objects
from tests.browser.upload_page import UploadPage
from tests.waiting import wait_for

MIB = 1 << 20
DATABASES = "async () => (await indexedDB.databases()).length"


BROKEN = (
    "indexedDB.databases = () => Promise.reject(new Error('broken'))",
    "Object.defineProperty(window, 'indexedDB', {get() { throw new Error('broken'); }})",
)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_browser_that_keeps_nothing_still_uploads(context, stack, line, broken):
    page = context.new_page()
    page.add_init_script(broken)
    uploads = UploadPage(page, stack.url).open()
    uploads.upload("demo", small("plain.zip"))
    uploads.row("plain.zip").expect_stored()


def test_beside_a_pause_the_bar_stands_at_what_is_safe_and_goes_on_from_there(paused, own_line):
    _, row = paused()
    said = re.match(r"(\d+\.\d) of 48 MiB are safe\. Paused", row.part("state").text_content())
    assert abs(value(row) / MIB - float(said[1])) < 0.1
    row.button("Resume").click()
    row.expect_state("sending")
    wait_for(lambda: re.search(r"/s, ", row.part("pace").text_content()))
    assert "No new bytes" not in row.part("pace").text_content()
    own_line.rate = None
    row.expect_stored()


def test_bytes_that_are_sent_again_are_seen_and_not_taken_for_silence(own, own_line, varied):
    """Chromium sends a request anew over another connection when the first one breaks: less has arrived than before."""
    own_line.rate = 16 * MIB
    own.upload("archives", varied("again.zip", 96 * MIB))
    row = own.row("again.zip")
    wait_for(lambda: value(row) > 40 * MIB)
    own_line.rate = 2 * MIB
    own_line.cut()
    seen = []

    def watch() -> bool:
        seen.append(row.part("pace").text_content())
        own_line.rate = 2 * MIB if len(seen) < 120 else None
        return row.element.get_attribute("data-state") == "stored"

    wait_for(watch, 90)
    assert not [text for text in seen if "No new bytes" in text]


def test_the_second_click_of_two_does_not_cancel(own, own_line, own_stack, services_with, varied):
    own_line.rate = 6 * MIB
    own.upload("archives", varied("full.zip", 48 * MIB))
    row = own.row("full.zip")
    wait_for(lambda: value(row) > 9 * MIB)
    services_with(UPLOAD_SPACE_RESERVE=str(1 << 60))
    row.expect_refused("no_space")
    expect(row.part("taken")).to_have_text(re.compile(r"^\d+\.\d of 48 MiB are safe\.$"))
    expect(row.button("Discard")).to_be_visible()
    services_with()
    own_line.rate = None
    row.button("Try again").dblclick()
    row.expect_stored_at_last()


def test_what_is_safe_is_not_given_up_by_a_slip(paused, own, own_line, own_stack):
    before = objects(own_stack)
    _, row = paused()
    press, question = own.page.keyboard.press, own.question()
    row.button("Cancel").dblclick()
    expect(question).to_contain_text(re.compile(r"series\.zip: \d+\.\d of 48 MiB are safe\. Discarded, they are gone"))
    question.get_by_role("button", name="Discard").dispatch_event("click", {"detail": 2})
    expect(question).to_be_visible()
    press("Escape")
    expect(question).to_be_hidden()
    expect(row.button("Cancel")).to_be_focused()
    press("Enter")
    expect(question.get_by_role("button", name="Keep it")).to_be_focused()
    press("Enter")
    expect(question).to_be_hidden()
    row.expect_state("paused")
    own_line.rate = None
    row.button("Resume").click()
    row.expect_stored()
    assert len(objects(own_stack) - before) == 1


def test_who_means_it_gives_it_up(paused, own, own_stack):
    staged = lambda: {entry.name for entry in own_stack.staged()}  # noqa: E731
    before = staged()
    _, row = paused()
    assert len(staged() - before) == 1
    row.button("Cancel").focus()
    for key in ("Enter", "Tab", "Enter"):
        own.page.keyboard.press(key)
    row.expect_state("cancelled")
    expect(row.part("name")).to_be_focused()
    wait_for(lambda: staged() == before)


def test_a_question_about_a_file_that_arrives_meanwhile_goes_away_by_itself(own, own_line, own_stack, varied):
    before = objects(own_stack)
    own_line.rate = 6 * MIB
    own.upload("archives", varied("late.zip", 48 * MIB))
    row = own.row("late.zip")
    wait_for(lambda: value(row) > 9 * MIB)
    row.button("Cancel").click()
    expect(own.question()).to_be_visible()
    own_line.rate = None
    row.expect_stored()
    expect(own.question()).to_be_hidden()
    assert len(objects(own_stack) - before) == 1


def test_what_an_earlier_page_left_is_not_given_up_by_a_slip(paused, own, own_line):
    file, _ = paused()
    own.open()
    own.page.locator("#unfinished").get_by_role("button", name="Discard").click()
    expect(own.question()).to_contain_text("48 MiB for archives: what has arrived is removed")
    own.page.keyboard.press("Escape")
    expect(own.question()).to_be_hidden()
    expect(own.page.locator("#unfinished li")).to_have_count(1)
    own.add(file)
    expect(own.row(file.name).part("taken")).to_have_text(re.compile(r"^[1-9]"), timeout=30_000)
    own_line.rate = None
    own.row(file.name).expect_stored()


def test_the_same_file_chosen_again_goes_on_in_its_row(paused, own, own_line, own_stack):
    before = objects(own_stack)
    file, row = paused()
    own.add(file)
    row.expect_state("preparing", "settling", "sending")
    assert own.rows().count() == 1
    own.add(file)
    own_line.rate = None
    row.expect_stored()
    assert own.rows().count() == 1
    assert len(objects(own_stack) - before) == 1


def test_a_file_that_another_tab_sends_is_not_begun_anew(paused, own, own_context, own_stack, own_line):
    before = objects(own_stack)
    file, row = paused()
    row.button("Resume").click()
    row.expect_state("sending")
    with own_context.new_page() as page:
        other = UploadPage(page, own_stack.url).open()
        other.upload("archives", file)
        refused = other.row(file.name)
        refused.expect_refused("in_another_tab")
        expect(refused.button("Discard")).to_be_hidden()
        refused.button("Try again").click()
        refused.expect_state("preparing")
        refused.expect_refused("in_another_tab")
        other.add(file)
        expect(other.rows()).to_have_count(1)
        refused.button("Remove").click()
        expect(other.rows()).to_have_count(0)
    own_line.rate = None
    row.expect_stored()
    assert len(objects(own_stack) - before) == 1


def test_a_file_chosen_again_while_it_is_cancelled_is_not_swallowed(paused, own, own_line):
    file, row = paused()
    row.button("Resume").click()
    row.expect_state("sending")
    own.page.route(
        re.compile(r"/u/[^/]+/[0-9a-f-]{36}$"),
        lambda route: route.abort() if route.request.method == "DELETE" else route.continue_(),
    )
    row.cancel()
    row.expect_state("cancelling")
    own.upload("archives", file)
    expect(own.rows()).to_have_count(2)
    own_line.rate = None
    wait_for(lambda: own.page.locator("li.file[data-state=stored]").count() == 1, 60)


def test_two_tabs_do_not_fight_over_one_upload(paused, own_context, own_stack, own_line):
    before = objects(own_stack)
    file, row = paused()
    with own_context.new_page() as page:
        other = UploadPage(page, own_stack.url).open()
        other.add(file)
        other.row(file.name).expect_state("sending")
        row.button("Resume").click()
        row.expect_refused("in_another_tab")
        own_line.rate = None
        other.row(file.name).expect_stored()
    row.button("Try again").click()
    row.expect_stored_at_last()
    assert len(objects(own_stack) - before) == 1


def test_another_file_of_the_same_name_and_another_size_is_refused_too(paused, own, varied):
    file, _ = paused()
    own.open()
    expect(own.page.locator("#unfinished li")).to_have_count(1)
    own.upload("archives", varied(file.name, 49 * MIB, seed=3))
    own.row(file.name).expect_refused("another_file")
    own.discard()
    expect(own.page.locator("#unfinished")).to_be_hidden()
    expect(own.page.locator("#file-input")).to_be_focused()


def test_what_is_discarded_is_not_gone_on_with(paused, own, own_line, own_stack):
    file, _ = paused()
    own.open()
    # A bad line: the server does not hear of it for a while.
    own.page.route("**/token", lambda route: None)
    own.discard()
    own.choose("archives")
    own.add(file)
    own_line.rate = None
    own.row(file.name).expect_stored()


def test_a_server_that_does_not_answer_keeps_nobody_from_choosing_a_file(paused, own, own_line):
    paused()
    own.page.route(re.compile(r"/api/v1/uploads/[0-9a-f-]{36}$"), lambda route: None)
    own.page.goto(own.url + "/")
    expect(own.page.locator("#unfinished li")).to_have_count(1)
    own_line.rate = None
    own.upload("archives", small("other.zip"))
    expect(own.row("other.zip").element).to_be_visible(timeout=5000)
    own.row("other.zip").expect_stored()


def test_the_wait_for_the_next_try_can_be_cut_short(uploads, line, sized):
    line.rate = 16 * MIB
    uploads.upload("demo", sized("impatient.zip", 48 * MIB))
    row = uploads.row("impatient.zip")
    wait_for(lambda: value(row) > 9 * MIB)
    line.go_down()
    expect(row.part("state")).to_have_text(re.compile(r"trying again in ([7-9]|\d\d) s$"), timeout=30_000)
    line.restore()
    row.button("Try now").click()
    expect(row.element).to_have_attribute("data-state", re.compile("settling|sending|confirming|stored"), timeout=2000)
    row.expect_stored()


def test_a_worker_that_cannot_be_loaded_at_first_is_only_a_pause(context, stack, line):
    page = context.new_page()
    refused = []

    def flaky(route) -> None:
        if len(refused) < 2:
            refused.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route("**/hash-worker*.js", flaky)
    uploads = UploadPage(page, stack.url).open()
    uploads.upload("demo", small("patient.zip"))
    uploads.row("patient.zip").expect_stored()
    assert len(refused) == 2


class TestSigningOut:
    @pytest.fixture
    def session(self, own_stack, own_line, own_context):
        """A person in a browser context of their own: (context, upload page)."""
        context = own_context.browser.new_context(**READER)
        page = context.new_page()
        sign_in(page, own_stack)
        own_line.restore()
        yield context, UploadPage(page, own_stack.url).open()
        context.close()

    def begin(self, uploads: UploadPage, line, file):
        line.rate = 6 * MIB
        uploads.upload("archives", file)
        row = uploads.row(file.name)
        wait_for(lambda: value(row) > 9 * MIB)
        return row

    def test_who_decides_to_stay_keeps_what_is_remembered(self, session, own_line, varied):
        _, uploads = session
        row = self.begin(uploads, own_line, varied("stay.zip", 48 * MIB))
        uploads.page.get_by_role("button", name="Sign out").click()
        expect(uploads.page.locator("#leaving")).to_contain_text("1 file is not finished")
        uploads.page.keyboard.press("Escape")
        expect(uploads.page.locator("#leaving")).to_be_hidden()
        row.expect_state("sending")
        assert uploads.page.evaluate(DATABASES) == 1
        row.cancel()
        row.expect_state("cancelled")

    def test_what_goes_on_after_signing_in_again_is_remembered_again(self, session, own_stack, own_line, varied):
        context, uploads = session
        row = self.begin(uploads, own_line, varied("again.zip", 64 * MIB))
        with context.new_page() as other:
            other.goto(own_stack.url + "/uploads/")
            other.get_by_role("button", name="Sign out").click()
            other.locator("#leaving").get_by_role("button", name="Sign out").click()
            other.wait_for_url("**/accounts/login/**")
            wait_for(lambda: uploads.page.evaluate(DATABASES) == 0)
            # The permission is tied to the session that ended.
            row.expect_refused("sign_in_required")
            asked = []
            uploads.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
            uploads.page.close(run_before_unload=True)
            wait_for(lambda: uploads.page.evaluate("1") and asked)
            sign_in(other, own_stack)
        uploads.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
        row.expect_state("sending")
        wait_for(lambda: uploads.page.evaluate(DATABASES) == 1)
        own_line.rate = None
        row.expect_stored_at_last()

    def test_nothing_is_written_any_more_once_somebody_signed_out(self, session, own_stack, varied):
        """The creation is on its way while somebody signs out in another tab, where nothing is unfinished then."""
        context, uploads = session
        held = []
        uploads.page.route(re.compile("/u(/|$)"), lambda route: held.append(route) if route.request.method == "POST" else route.continue_())
        uploads.upload("archives", varied("late.zip", 8 * MIB))
        wait_for(lambda: uploads.page.evaluate("1") and held)
        with context.new_page() as other:
            other.goto(own_stack.url + "/uploads/")
            other.get_by_role("button", name="Sign out").click()
            other.wait_for_url("**/accounts/login/**")
        held[0].continue_()
        uploads.row("late.zip").expect_refused("sign_in_required")
        wait_for(lambda: uploads.page.evaluate(DATABASES) == 0)
