"""A file that the browser calls empty, or of another length than it has: asked about, marked, never taken for something else."""

import hashlib
import os

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MIB, READER, sign_in, small
from tests.browser.test_look import SIZES
from tests.browser.upload_page import UploadPage

EMPTY = hashlib.sha256(b"").hexdigest()


def test_an_empty_file_is_sent_when_it_is_meant_and_marked_for_ever(uploads):
    uploads.upload("demo", small("empty.dat", b""))
    question = uploads.page.get_by_role("dialog", name="This file is empty. Send it?")
    expect(question).to_contain_text("empty.dat: 0 bytes, as far as your browser can tell.")
    expect(uploads.rows()).to_have_count(0)
    question.get_by_role("button", name="Send it empty").click()
    row = uploads.row("empty.dat")
    row.expect_stored()
    assert row.digest == EMPTY
    expect(row.part("state")).to_have_text("Stored and verified: an empty file")
    expect(row.part("size")).to_have_text("Empty (0 bytes)")
    expect(row.part("bytes")).to_have_text("Empty (0 bytes)")
    newest = uploads.page.locator("#recent tbody tr").first
    expect(newest.locator("[data-label=Size]")).to_have_text("Empty")
    uploads.page.goto(uploads.url + "/uploads/")
    expect(uploads.page.locator("tbody tr").first.locator("[data-label=Size]")).to_have_text("Empty")


@pytest.mark.parametrize("way_out", ["Escape", "Enter", "button"])
def test_an_empty_file_that_is_not_meant_is_left_out_and_the_page_says_so(uploads, way_out):
    uploads.upload("demo", small("empty.dat", b""))
    question = uploads.question_about_empty()
    leave = question.get_by_role("button", name="Leave it out")
    expect(leave).to_be_focused()
    if way_out == "button":
        leave.click()
    else:
        uploads.page.keyboard.press(way_out)
    expect(question).to_be_hidden()
    expect(uploads.page.locator("#notice")).to_have_text("empty.dat is empty and was left out.")
    expect(uploads.rows()).to_have_count(0)
    uploads.add(small("empty.dat", b""))
    expect(question).to_be_visible()


def test_a_batch_is_asked_about_once_and_the_others_of_it_are_sent(uploads):
    names = [f"{letter}.dat" for letter in "abcdefg"]
    uploads.upload("demo", small("full.zip"), *(small(name, b"") for name in names))
    question = uploads.page.get_by_role("dialog", name="7 of 8 files are empty. Send them?")
    expect(question).to_contain_text("a.dat, b.dat, c.dat, d.dat, e.dat and 2 more: 0 bytes")
    question.get_by_role("button", name="Leave them out").click()
    uploads.row("full.zip").expect_stored()
    expect(uploads.rows()).to_have_count(1)
    expect(uploads.page.locator("#notice")).to_have_text("a.dat, b.dat, c.dat, d.dat, e.dat and 2 more are empty and were left out.")


def test_what_was_left_out_is_noted_of_every_batch_until_it_is_sent(uploads):
    notice = uploads.page.locator("#notice")
    for name in ("first.dat", "second.dat"):
        uploads.upload("demo", small(name, b""))
        uploads.question_about_empty().get_by_role("button", name="Leave it out").click()
    expect(notice).to_have_text("first.dat and second.dat are empty and were left out.")
    uploads.add(small("first.dat", b"its content has come"))
    uploads.row("first.dat").expect_stored()
    expect(notice).to_have_text("second.dat is empty and was left out.")
    uploads.upload("archives", small("third.dat", b""))
    expect(notice).to_contain_text("second.dat is empty and was left out. third.dat is empty and was left out: this collection takes")


def test_of_several_files_that_are_there_already_each_is_named(uploads, tmp_path):
    files = [tmp_path / name for name in ("a.zip", "b.zip")]
    for file in files:
        file.write_bytes(b"content of " + file.name.encode())
    for _ in range(2):
        uploads.add(*files)
    expect(uploads.page.locator("#notice")).to_have_text("a.zip is chosen already. b.zip is chosen already.")


def test_all_of_a_batch_are_called_all(uploads):
    uploads.upload("demo", *(small(name, b"") for name in ("a.dat", "b.dat")))
    expect(uploads.page.get_by_role("dialog", name="All 2 files are empty. Send them?")).to_be_visible()


def test_a_collection_that_takes_no_empty_file_says_so_and_does_not_ask(uploads):
    uploads.upload("archives", small("empty.dat", b""), small("full.zip"))
    uploads.row("full.zip").expect_stored()
    expect(uploads.page.locator("#notice")).to_contain_text("empty.dat is empty and was left out: this collection takes no empty file.")
    expect(uploads.question_about_empty()).to_be_hidden()
    expect(uploads.rows()).to_have_count(1)


def test_files_that_waited_for_their_collection_are_asked_about_when_they_are_to_be_sent(uploads):
    uploads.add(small("empty.dat", b""))
    expect(uploads.page.locator("#held")).to_be_visible()
    expect(uploads.question_about_empty()).to_be_hidden()
    uploads.choose("demo")
    start = uploads.page.get_by_role("button", name="Upload 1 file")
    start.click()
    uploads.page.keyboard.press("Escape")
    expect(uploads.page.locator("#notice")).to_have_text("empty.dat is empty and was left out.")
    expect(uploads.page.locator("#file-input")).to_be_focused()
    uploads.add(small("full.zip"))
    uploads.row("full.zip").expect_stored()


def test_a_file_that_fills_while_the_page_asks_is_not_sent_as_empty(uploads, tmp_path):
    file = tmp_path / "arriving.dat"
    file.touch()
    uploads.upload("demo", file)
    expect(uploads.question_about_empty()).to_be_visible()
    stat = file.stat()
    file.write_bytes(b"its content has come")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # within the second that Chromium looks at
    uploads.question_about_empty().get_by_role("button", name="Send it empty").click()
    uploads.row("arriving.dat").expect_refused("file_unreadable")


@pytest.mark.parametrize("size", [3 * MIB, 20_000])
def test_a_file_that_shrinks_within_the_second_is_not_readable_and_not_the_pages_fault(uploads, sized, size):
    """Chromium compares whole seconds, and reads what is there."""
    file = sized("shrinks.zip", size)
    uploads.add(file)
    expect(uploads.page.locator("#held")).to_be_visible()
    stat = file.stat()
    os.truncate(file, size // 2)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    uploads.choose("demo")
    uploads.page.get_by_role("button", name="Upload 1 file").click()
    uploads.row("shrinks.zip").expect_refused("file_unreadable")


@pytest.mark.parametrize("size", SIZES)
def test_the_question_is_photographed(browser, stack, collections, line, screenshots, size):
    with browser.new_context(viewport=SIZES[size], has_touch=size == "phone", **READER) as context:
        page = context.new_page()
        sign_in(page, stack)
        uploads = UploadPage(page, stack.url).open()
        uploads.upload("demo", small("series of site 4, second visit, as exported.zip", b""), small("notes.csv", b""), small("full.zip"))
        expect(uploads.question_about_empty()).to_be_visible()
        page.screenshot(path=screenshots / f"empty-question-{size}.png")
        page.get_by_role("button", name="Send them empty").click()
        uploads.row("notes.csv").expect_stored()
        uploads.row("full.zip").expect_stored()
        page.screenshot(path=screenshots / f"empty-stored-{size}.png", full_page=True)
