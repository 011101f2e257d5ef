"""Lines that break, answers that are lost, sessions that end: the page says what is true, and goes on where it can."""

import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASS_PHRASE, make_person, sign_in, small
from tests.waiting import wait_for

MIB = 1 << 20
SESSION = "__Host-sluice-session"
SAFE_AND_WAITING = re.compile(r"^[1-9][0-9]*\.[0-9] of 96 MiB are safe\. Connection lost; trying again (in \d+ s|now)$")


@pytest.fixture
def under_way(uploads, line, sized):
    """An upload of which the services tier has taken something, and which is too long to lie in the kernel's buffers."""
    line.rate = 16 * MIB
    uploads.upload("demo", sized("series.zip", 96 * MIB))
    row = uploads.row("series.zip")
    wait_for(lambda: row.part("bar").evaluate("bar => bar.value") > 0)
    return row


def objects(stack) -> set:
    return {path for path in stack.nas.glob("collections/*/*/*/*") if path.is_dir()}


def test_a_line_that_is_down_is_told_with_what_is_safe_and_goes_on_by_itself(under_way, line, stack):
    before = objects(stack)
    wait_for(lambda: under_way.part("bar").evaluate("bar => bar.value") > 9 * MIB)
    line.go_down()
    under_way.expect_state("waiting")
    expect(under_way.part("state")).to_have_text(SAFE_AND_WAITING)
    line.restore()
    under_way.expect_stored()
    assert len(objects(stack)) == len(before) + 1


def test_a_lost_answer_still_ends_in_success_and_one_object(uploads, line, stack, sized):
    before = objects(stack)
    line.lose_replies = True
    uploads.upload("demo", sized("lost reply.zip", 24 * MIB))
    row = uploads.row("lost reply.zip")
    row.expect_stored()
    assert line.replies_lost >= 1
    assert len(objects(stack)) == len(before) + 1


def test_a_network_that_stays_away_for_hours_is_waited_for(context, stack, line, sized):
    from tests.browser.upload_page import UploadPage

    page = context.new_page()
    page.clock.install()
    uploads = UploadPage(page, stack.url).open()
    line.rate = 16 * MIB
    uploads.upload("demo", sized("away.zip", 64 * MIB))
    row = uploads.row("away.zip")
    wait_for(lambda: row.part("bar").evaluate("bar => bar.value") > 9 * MIB)
    line.go_down()
    row.expect_state("waiting")
    for _ in range(4):
        page.clock.fast_forward("01:00:00")
        row.expect_state("waiting")
    line.restore()
    page.clock.resume()
    page.evaluate("() => window.dispatchEvent(new Event('online'))")
    row.expect_stored()


def test_pausing_frees_the_line_and_resuming_goes_on(under_way, line, stack):
    before = objects(stack)
    wait_for(lambda: under_way.part("bar").evaluate("bar => bar.value") > 9 * MIB)
    under_way.button("Pause").click()
    under_way.expect_state("paused")
    assert re.match(r"\d+\.\d of 96 MiB are safe\. Paused", under_way.part("state").text_content())
    line.rate = None
    under_way.button("Resume").click()
    under_way.expect_stored()
    assert len(objects(stack)) == len(before) + 1


def test_cancelling_stores_nothing_and_gives_the_permission_back(under_way, stack, context):
    # Other tests leave uploads that wait for their senders, so what counts is that one of the staged files goes.
    staged = lambda: {entry.name for entry in stack.staged()}  # noqa: E731
    before, staged_before = objects(stack), staged()
    under_way.cancel()
    under_way.expect_state("cancelled")
    assert objects(stack) == before
    wait_for(lambda: staged() < staged_before)
    newest = lambda: context.request.get(f"{stack.url}/api/v1/uploads?limit=1").json()["uploads"][0]  # noqa: E731
    wait_for(lambda: newest()["state"] == "cancelled")


def test_a_waiting_file_can_be_cancelled_and_the_others_go_on(uploads, line, sized):
    line.rate = 4 * MIB
    uploads.upload("demo", *[sized(f"{name}.zip", 3 * MIB) for name in "abcd"])
    uploads.row("c.zip").cancel()
    uploads.row("c.zip").expect_state("cancelled")
    for name in "abd":
        uploads.row(f"{name}.zip").expect_stored()


def test_cancelling_too_late_says_that_the_file_is_stored(uploads, line, sized, stack):
    """The whole file has arrived, the answer is lost, and then the person cancels: the truth is that it is stored."""
    line.lose_replies = True
    line.down_after_reply = True
    uploads.upload("demo", sized("late.zip", 6 * MIB))
    row = uploads.row("late.zip")
    row.expect_state("waiting")
    row.cancel()
    line.restore()
    row.expect_stored()
    assert "before the upload could be cancelled" in row.part("note").text_content()


def test_cancelling_without_a_network_does_not_claim_what_it_cannot_know(uploads, line, sized):
    """The last byte has been sent, and the line broke before the answer."""
    line.lose_replies = True
    line.down_after_reply = True
    uploads.upload("demo", sized("who knows.zip", 6 * MIB))
    row = uploads.row("who knows.zip")
    row.expect_state("waiting")
    row.cancel()
    row.expect_state("cancelled")
    assert "not known whether the file had arrived" in row.part("state").text_content()


def test_a_file_that_vanished_is_told_as_such(uploads, line, sized):
    line.rate = MIB
    first, second, gone = (sized(name, 4 * MIB) for name in ("1.zip", "2.zip", "gone.zip"))
    uploads.upload("demo", first, second, gone)
    gone.unlink()
    line.rate = None
    uploads.row("gone.zip").expect_refused("file_unreadable")


def test_a_session_that_ended_keeps_the_list_and_goes_on_after_signing_in_again(uploads, context, stack):
    context.clear_cookies(name=SESSION)
    uploads.upload("demo", small("after the break.zip"))
    row = uploads.row("after the break.zip")
    row.expect_refused("sign_in_required")
    sign_in_by_the_rows_link(row, stack)
    row.expect_stored_at_last()


def test_a_file_whose_receipt_could_not_be_filed_is_said_to_be_stored(under_way, context, stack, line):
    context.clear_cookies(name=SESSION)
    line.rate = None
    under_way.expect_state("stopped")
    assert under_way.part("state").text_content() == "Stored, but not confirmed yet"
    assert len(under_way.digest) == 64
    sign_in_by_the_rows_link(under_way, stack)
    under_way.expect_stored_at_last()


def test_somebody_else_who_signs_in_does_not_take_the_list_over(uploads, context, stack):
    make_person(stack, "other")
    context.clear_cookies(name=SESSION)
    uploads.upload("demo", small("mine.zip"))
    row = uploads.row("mine.zip")
    row.expect_refused("sign_in_required")
    other = context.new_page()
    sign_in(other, stack, "other", PASS_PHRASE)
    other.close()
    row.button("Try again").click()
    expect(row.part("code")).to_have_text("Code: another_person")


def test_an_unconfirmed_receipt_is_handed_in_again_until_it_is_taken(uploads):
    uploads.page.evaluate(
        """() => {
            const plainFetch = window.fetch;
            let refusals = 2;
            window.fetch = (...request) => request[0] === '/api/v1/receipts' && refusals-- > 0
                ? Promise.resolve(new Response('gone', {status: 502})) : plainFetch(...request);
        }"""
    )
    uploads.upload("demo", small("confirm.zip"))
    row = uploads.row("confirm.zip")
    row.expect_state("confirming")
    assert row.part("state").text_content() == "Stored; confirming…"
    assert "The file is safe" in row.part("note").text_content()
    row.expect_stored()


def sign_in_by_the_rows_link(row, stack) -> None:
    with row.element.page.context.expect_page() as opened:
        row.element.get_by_role("link", name=re.compile("^Sign in")).click()
    tab = opened.value
    tab.get_by_label("User name").fill(stack.username)
    tab.get_by_label("Password").fill(stack.password)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("heading", name="You are signed in")).to_be_visible()
    tab.close()
    # What the browser does when the person comes back to the tab; a headless one has no tabs to switch between.
    row.element.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    assert json.dumps(row.element.page.context.cookies()).count(SESSION) == 1
