"""Signing out always works, says what it costs, and costs nothing: what was begun goes on after signing in again, anywhere."""

import hashlib
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASS_PHRASE, READER, give_up_all, make_person, sign_in, value, watch_for_faults
from tests.browser.test_interruptions import objects
from tests.browser.test_survival import nothing_kept
from tests.browser.upload_page import UploadPage
from tests.waiting import wait_for

MIB = 1 << 20
NAME = "series of Änne Müller.zip"


def stored_digest(stack, before) -> str:
    (made,) = objects(stack) - before
    return hashlib.sha256(max(made.iterdir(), key=lambda path: path.stat().st_size).read_bytes()).hexdigest()


@pytest.fixture
def visitor(own_context, own_stack, own_line):
    """A function: another browser, signed in as the same person."""
    opened = []
    give_up_all(own_stack)

    def visit() -> UploadPage:
        context = own_context.browser.new_context(**READER)
        opened.append(context)
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.accept())
        opened.append(watch_for_faults(page))
        sign_in(page, own_stack)
        return UploadPage(page, own_stack.url).open()

    yield visit
    for context in opened[::2]:
        context.close()
    own_line.restore()
    assert not [fault for faults in opened[1::2] for fault in faults]


def begin(uploads: UploadPage, line, file) -> None:
    line.rate = 6 * MIB
    uploads.upload("archives", file)
    wait_for(lambda: value(uploads.row(file.name)) > 10 * MIB)


def leave(uploads: UploadPage) -> None:
    uploads.page.get_by_role("button", name="Sign out").click()
    question = uploads.page.get_by_role("dialog", name="1 file is not finished. Sign out?")
    expect(question).to_contain_text("What has arrived stays safe.")
    question.get_by_role("button", name="Sign out").click()
    uploads.page.wait_for_url("**/accounts/login/**")


def test_the_dialog_names_how_many_are_unfinished_and_staying_stays(own, paused, screenshots):
    paused()
    own.page.get_by_role("button", name="Sign out").click()
    question = own.page.get_by_role("dialog", name="1 file is not finished. Sign out?")
    own.page.screenshot(path=screenshots / "signing-out.png")
    question.get_by_role("button", name="Stay").click()
    expect(question).to_be_hidden()
    own.row("series.zip").expect_state("paused")
    assert own.page.request.get(own.url + "/session").status == 200
    own.page.goto(own.url + "/uploads/")  # from any page
    own.page.get_by_role("button", name="Sign out").click()
    expect(question).to_be_visible()
    question.press("Escape")
    expect(question).to_be_hidden()


def test_who_has_nothing_unfinished_is_not_asked(visitor, own_stack):
    uploads = visitor()
    uploads.page.get_by_role("button", name="Sign out").click()
    uploads.page.wait_for_url("**/accounts/login/**")
    assert uploads.page.request.get(own_stack.url + "/session").status == 401


def test_signing_out_works_after_signing_in_again_in_another_tab(visitor, own_stack):
    uploads = visitor()
    with uploads.page.context.new_page() as other:
        sign_in(other, own_stack)
    uploads.page.get_by_role("button", name="Sign out").click()
    uploads.page.wait_for_url("**/accounts/login/**")
    assert uploads.page.request.get(own_stack.url + "/session").status == 401


@pytest.mark.parametrize("way", ["the same file chosen", "the button of the row, and another name"])
def test_what_was_begun_goes_on_after_signing_in_again_on_another_computer(visitor, own_stack, own_line, varied, way):
    file, before = varied(NAME, 48 * MIB), objects(own_stack)
    one = visitor()
    begin(one, own_line, file)
    leave(one)
    assert nothing_kept(one.page)

    own_line.restore()
    two = visitor()
    listed = two.page.locator("#unfinished li")
    expect(listed.get_by_role("heading", name=NAME)).to_be_visible()
    expect(listed).to_contain_text(re.compile(r"48 MiB for .* [1-9]\d(\.\d)? of 48 MiB are safe, until \d"))
    carried = own_line.carried
    if way == "the same file chosen":
        two.add(file)
        row = two.row(NAME)
    else:
        renamed = file.rename(file.with_name("export.zip"))
        with two.page.expect_file_chooser() as chooser:
            listed.get_by_role("button", name=f"Choose this file: {NAME}").click()
        chooser.value.set_files(renamed)
        row, file = two.row("export.zip"), renamed
    row.expect_stored()
    assert own_line.carried - carried < 42 * MIB, "what had arrived is not sent again"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert row.digest == digest == stored_digest(own_stack, before)
    expect(two.page.locator("#unfinished")).to_be_hidden()


def test_a_file_that_differs_in_one_byte_of_what_has_arrived_does_not_go_on(visitor, own_stack, own_line, varied):
    file, before = varied(NAME, 48 * MIB), objects(own_stack)
    one = visitor()
    begin(one, own_line, file)
    leave(one)
    own_line.restore()
    with file.open("r+b") as content:
        content.seek(5 * MIB + 12345)
        content.write(b"\xff\x00\xff")
    two = visitor()
    expect(two.page.locator("#unfinished li")).to_have_count(1)
    two.add(file)
    two.row(NAME).expect_refused("another_file")
    assert objects(own_stack) == before
    two.row(NAME).button("Remove").click()
    expect(two.page.locator("#unfinished li")).to_have_count(1)
    two.discard()
    expect(two.page.locator("#unfinished")).to_be_hidden()


def test_what_is_unfinished_is_nobody_elses(visitor, own_stack, own_line, varied, own_context):
    one = visitor()
    begin(one, own_line, varied(NAME, 48 * MIB))
    leave(one)
    own_line.restore()
    make_person(own_stack, "somebody-else")
    with own_context.browser.new_context(**READER) as context:
        page = context.new_page()
        sign_in(page, own_stack, "somebody-else", PASS_PHRASE)
        expect(page.get_by_text("Nothing uploaded yet.")).to_be_visible()
        expect(page.locator("#unfinished")).to_be_hidden()


def test_in_the_list_an_unfinished_one_says_how_far_it_is(visitor, own_stack, own_line, varied):
    one = visitor()
    begin(one, own_line, varied(NAME, 48 * MIB))
    one.row(NAME).button("Pause").click()
    one.row(NAME).expect_state("paused")
    one.page.goto(own_stack.url + "/uploads/")
    row = one.page.locator("#list tbody tr").first
    expect(row.locator("[data-part=name]")).to_have_text(NAME)
    expect(row).to_contain_text(re.compile(r"Not finished yet\s*[1-9]\d(\.\d)? of 48 MiB are safe, until \d"))


def test_a_page_of_one_person_does_not_sign_out_who_signed_in_since(own_context, own_stack, own_line):
    make_person(own_stack, "signed-in-since")
    with own_context.browser.new_context(**READER) as context:
        old, new = context.new_page(), context.new_page()
        sign_in(old, own_stack)
        old.goto(own_stack.url + "/uploads/")
        sign_in(new, own_stack, "signed-in-since", PASS_PHRASE)
        old.get_by_role("button", name="Sign out").click()
        expect(old.get_by_role("heading", name="Somebody else is signed in")).to_be_visible()
        old.get_by_role("link", name="Stay").click()
        expect(old.locator(".person-name")).to_contain_text("signed-in-since")
        old.get_by_role("button", name="Sign out").click()
        old.wait_for_url("**/accounts/login/**")
