"""A file's way to "Stored and verified"."""

import hashlib
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import small

MIB = 1 << 20


def test_a_327_mib_file_ends_stored_and_verified_with_the_digest_of_its_bytes(uploads, stack, big_file):
    path, sha256 = big_file
    uploads.upload("archives", path)
    row = uploads.row(path.name)
    row.expect_stored()
    assert row.part("state").text_content() == "Stored and verified"
    assert row.digest == sha256
    expect(row.part("bytes")).to_have_text("327 MiB (342,884,352 bytes)")
    expect(row.part("type")).to_have_text("ZIP")
    expect(row.part("type")).to_have_attribute("title", "application/zip")
    with path.open("rb") as sent, stack.stored(upload_id_of(row)).open("rb") as stored:
        assert hashlib.file_digest(sent, "sha256").hexdigest() == hashlib.file_digest(stored, "sha256").hexdigest()


def test_the_receipt_can_be_downloaded_from_the_row_and_from_the_list_below(uploads, stack):
    uploads.upload("demo", small("one.zip"))
    row = uploads.row("one.zip")
    row.expect_stored()
    with uploads.page.expect_download() as from_row:
        row.element.get_by_role("link", name="Download receipt").click()
    with uploads.page.expect_download() as from_list:
        uploads.page.locator("#recent").get_by_role("link", name="Receipt of one.zip").first.click()
    receipts = [download.value.path().read_text() for download in (from_row, from_list)]
    assert receipts[0] == receipts[1]
    assert receipts[0].count(".") == 2


def test_the_time_is_shown_in_the_readers_zone(uploads):
    uploads.upload("demo", small("zone.zip"))
    row = uploads.row("zone.zip")
    row.expect_stored()
    time = row.part("time")
    assert time.get_attribute("datetime").endswith("Z")
    assert "Central European" in time.get_attribute("title")
    assert "Central European" in uploads.page.locator("#recent time").first.get_attribute("title")


def test_several_files_are_all_stored_and_never_more_than_two_are_under_way(uploads, line, sized):
    line.rate = MIB // 4  # so that nothing is over before it is looked at
    names = [f"part {number}.zip" for number in range(5)]
    uploads.page.evaluate(
        """() => {
            window.mostAtOnce = 0;
            new MutationObserver(() => {
                const busy = document.querySelectorAll('.file:is([data-state=preparing], [data-state=sending])').length;
                window.mostAtOnce = Math.max(window.mostAtOnce, busy);
            }).observe(document.querySelector('#file-list'), {subtree: true, attributes: true, attributeFilter: ['data-state']});
        }"""
    )
    uploads.upload("demo", *[sized(name, 2 * MIB) for name in names])
    uploads.row(names[0]).expect_state("sending")
    assert uploads.row(names[4]).part("state").text_content() == "Waiting for its turn"
    line.rate = 4 * MIB
    for name in names:
        uploads.row(name).expect_stored()
    assert uploads.page.evaluate("window.mostAtOnce") == 2
    expect(uploads.page.locator("#files-summary")).to_have_text("5 of 5 stored")


@pytest.mark.parametrize("name", ["Grüße (ärztlich) 100 %.zip", "日本語 'x'*.zip", 'a;b="c".zip'])
def test_a_name_with_other_characters_arrives_as_it_is_written(uploads, stack, name):
    uploads.upload("demo", small(name))
    row = uploads.row(name)
    row.expect_stored()
    assert stack.stored(upload_id_of(row)).suffix == ".zip"


def test_a_name_that_reads_backwards_is_shown_without_the_trick(uploads):
    uploads.upload("demo", small("annex\u202egpj.exe"))
    uploads.row("annex\ufffdgpj.exe").expect_stored()


def test_files_that_come_before_a_collection_is_chosen_are_kept_and_wait(uploads):
    uploads.add(small("early 1.zip"), small("early 2.zip"))
    expect(uploads.page.locator("#held-text")).to_have_text("2 files chosen. Now choose the collection above.")
    assert uploads.rows().count() == 0
    uploads.choose("demo")
    assert uploads.rows().count() == 0, "choosing with the arrow keys must not send anything"
    uploads.page.get_by_role("button", name="Upload 2 files").click()
    uploads.row("early 1.zip").expect_stored()
    uploads.row("early 2.zip").expect_stored()


def test_files_dropped_anywhere_on_the_page_are_taken(uploads):
    uploads.choose("demo")
    data = uploads.page.evaluate_handle(
        """() => { const data = new DataTransfer(); data.items.add(new File(['PK\\x03\\x04drop'], 'dropped.zip')); return data; }"""
    )
    uploads.page.dispatch_event("footer", "dragenter", {"dataTransfer": data})
    expect(uploads.page.locator("#drop-overlay")).to_be_visible()
    uploads.page.dispatch_event("footer", "drop", {"dataTransfer": data})
    expect(uploads.page.locator("#drop-overlay")).to_be_hidden()
    uploads.row("dropped.zip").expect_stored()


def test_leaving_the_page_asks_first_only_while_something_is_under_way(uploads, line, sized):
    line.rate = MIB
    asked = []
    uploads.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    uploads.upload("demo", sized("long.zip", 40 * MIB))
    row = uploads.row("long.zip")
    row.expect_state("sending")
    uploads.page.close(run_before_unload=True)
    expect(row.button("Cancel")).to_be_visible()
    row.cancel()
    row.expect_state("cancelled")
    assert asked == ["beforeunload"]
    line.restore()
    uploads.open()
    assert asked == ["beforeunload"]


def test_the_finished_rows_can_be_cleared(uploads):
    uploads.upload("demo", small("done.zip"))
    uploads.row("done.zip").expect_stored()
    uploads.clear()
    expect(uploads.page.locator("#files")).to_be_hidden()
    expect(uploads.page.locator("#file-input")).to_be_focused()


def test_what_failed_is_counted_stands_first_and_is_not_cleared_away(uploads, sized, line):
    uploads.upload("archives", small("one.zip"), small("notes.txt", b"plain text, not an archive"), small("two.zip"))
    for name in ("one.zip", "two.zip"):
        uploads.row(name).expect_stored()
    uploads.row("notes.txt").expect_refused("type_refused")
    expect(uploads.page.locator("#files-summary")).to_have_text("2 of 3 stored, 1 failed")
    expect(uploads.rows().first).to_contain_text("notes.txt")
    line.rate = 4 * MIB
    uploads.add(sized("three.zip", 24 * MIB))
    uploads.row("three.zip").expect_state("sending")
    expect(uploads.page.locator("#files-summary")).to_contain_text(re.compile(r"2 of 4 stored, 1 failed, \d+(\.\d)? .*of 24 MiB \(\d+ %\)"))
    assert uploads.page.get_by_role("progressbar", name="Bytes taken of all files").is_visible()
    uploads.page.get_by_role("button", name="Clear finished").click()
    assert [row.get_attribute("data-state") for row in uploads.rows().all()] == ["stopped", "sending"]
    expect(uploads.page.locator("#files-summary")).to_contain_text("2 of 4 stored, 1 failed")
    uploads.row("three.zip").cancel()


def test_a_stored_file_is_one_line_until_its_details_are_asked_for(uploads):
    uploads.upload("demo", small("folded.zip"))
    row = uploads.row("folded.zip")
    row.expect_stored()
    expect(row.part("digest")).to_be_hidden()
    assert row.element.bounding_box()["height"] < 80
    for width in (1280, 960, 800, 680, 390, 320):
        uploads.page.set_viewport_size({"width": width, "height": 900})
        name, state = row.part("name").bounding_box(), row.part("state").bounding_box()
        assert name["width"] > 120, width
        assert state["x"] >= name["x"] + name["width"] or state["y"] >= name["y"] + name["height"], f"{width}: one lies on the other"
    row.button("Details").click()
    expect(row.part("digest")).to_be_visible()
    expect(row.button("Details")).to_have_attribute("aria-expanded", "true")


@pytest.mark.parametrize("path", ["/uploads/", "/signed-in/", "/no-such-page"])
def test_a_file_dropped_on_a_page_that_takes_none_is_not_opened(page, stack, path):
    page.goto(stack.url + path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "dropped.zip"));
            return ["dragenter", "dragover", "drop"].map((kind) => !document.querySelector("main").dispatchEvent(
                new DragEvent(kind, {bubbles: true, cancelable: true, dataTransfer: data})));
        }"""
    ) == [True, True, True]


def upload_id_of(row) -> str:
    """From the list below, which the page fetched anew: the row itself shows no id."""
    return row.element.page.locator("#recent details").filter(has_text=row.digest).first.locator(".ids").text_content()
