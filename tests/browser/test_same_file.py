"""Is it the file that was begun? Another one is never mixed with it, and the same one is never sent from its beginning again."""

import os
import re

from playwright.sync_api import expect

from tests.browser.conftest import MIB, small
from tests.browser.test_interruptions import objects
from tests.browser.upload_page import UploadPage
from tests.waiting import wait_for

TITLES = """() => {
  window.titles = [];
  new MutationObserver(() => window.titles.push(document.title)).observe(document.querySelector('title'), {childList: true});
}"""


def rewrite(file, at: int, content: bytes) -> bytes:
    """Change some bytes and nothing that the file system tells of it; returns what stood there."""
    times = file.stat()
    with file.open("r+b") as handle:
        handle.seek(at)
        before = handle.read(len(content))
        handle.seek(at)
        handle.write(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    return before


def test_a_file_that_differs_only_in_its_middle_is_not_mixed_with_the_one_that_was_begun(paused, own, own_stack, own_line):
    before = objects(own_stack)
    file, _ = paused()
    own.open()
    original = rewrite(file, 4 * MIB, b"another patient")
    own.add(file)
    row = own.row(file.name)
    row.expect_refused("another_file")
    expect(own.page.locator("#unfinished li")).to_have_count(1)
    assert objects(own_stack) == before
    row.button("Remove").click()
    rewrite(file, 4 * MIB, original)
    own_line.rate = None
    own.add(file)
    row.expect_stored()
    expect(own.page.locator("#unfinished li")).to_have_count(0)
    assert len(objects(own_stack) - before) == 1


def test_it_says_that_it_compares_before_it_goes_on(paused, own, own_line):
    file, _ = paused()
    own.open()
    own.page.evaluate(
        """() => {
            window.states = [];
            new MutationObserver((all) => window.states.push(...all.map(({target}) => target.dataset.state)))
                .observe(document.querySelector('#file-list'), {subtree: true, attributes: true, attributeFilter: ['data-state']});
        }"""
    )
    own_line.rate = None
    own.add(file)
    own.row(file.name).expect_stored()
    states = own.page.evaluate("() => window.states")
    assert states.index("comparing") < states.index("settling") < states.index("sending")


def test_the_same_name_size_and_date_do_not_make_two_files_one(own, own_line, own_stack, tmp_path):
    before = objects(own_stack)
    files = []
    for series in ("s1", "s2"):
        (tmp_path / series).mkdir()
        file = tmp_path / series / "IM0001.zip"
        file.write_bytes(b"PK\x03\x04" + series.encode() * 8 * MIB)
        os.utime(file, (1_700_000_000, 1_700_000_000))
        files.append(file)
    own_line.rate = 6 * MIB
    own.upload("archives", files[0])
    wait_for(lambda: own.page.locator("li.file[data-state=sending]").count() == 1)
    own.add(files[1])
    expect(own.rows()).to_have_count(2)
    own_line.rate = None
    expect(own.page.locator("li.file[data-state=stored]")).to_have_count(2, timeout=60_000)
    assert len(objects(own_stack) - before) == 2


def test_a_file_that_is_being_sent_may_go_to_another_collection_as_well(paused, own, own_line, own_stack):
    before = objects(own_stack)
    file, row = paused()
    row.button("Resume").click()
    row.expect_state("sending")
    own.upload("demo", file)
    expect(own.rows()).to_have_count(2)
    own_line.rate = None
    expect(own.page.locator("li.file[data-state=stored]")).to_have_count(2, timeout=60_000)
    assert len(objects(own_stack) - before) == 2


def test_a_file_that_is_in_the_list_already_is_seen_to_be(paused, own):
    file, row = paused()
    own.add(file)
    expect(own.page.locator("#notice")).to_have_text("series.zip is in the list already.")
    row.cancel()


def test_discarding_in_one_tab_does_not_end_what_another_one_sends(paused, own, own_context, own_stack, own_line):
    before = objects(own_stack)
    file, _ = paused()
    own.open()
    with own_context.new_page() as page:
        other = UploadPage(page, own_stack.url).open()
        other.add(file)
        other.row(file.name).expect_state("sending")
        own.discard()
        expect(own.page.locator("#unfinished")).to_be_hidden()
        own_line.rate = None
        other.row(file.name).expect_stored()
    assert len(objects(own_stack) - before) == 1


def test_a_tab_that_one_comes_back_to_lists_no_more_what_another_one_has_finished(paused, own, own_context, own_stack, own_line):
    file, _ = paused()
    own.open()
    expect(own.page.locator("#unfinished li")).to_have_count(1)
    own_line.rate = None
    with own_context.new_page() as page:
        other = UploadPage(page, own_stack.url).open()
        other.add(file)
        other.row(file.name).expect_stored()
    own.page.evaluate("() => window.dispatchEvent(new Event('focus'))")
    expect(own.page.locator("#unfinished")).to_be_hidden()
    expect(own.page.locator("#recent tbody tr").first).to_contain_text("Stored and verified")


def test_what_another_tab_has_finished_is_not_said_of_another_file(paused, own, own_context, own_stack, own_line, varied):
    """The page has not heard of it yet, and the permission is used up by then: what web_app has a receipt for may be another file."""
    before = objects(own_stack)
    file, _ = paused()
    own.open()
    other_file = varied("other.zip", file.stat().st_size, seed=7)
    button = own.page.locator("#unfinished").get_by_role("button", name="Choose this file")
    expect(button).to_have_count(1)
    own_line.rate = None
    with own_context.new_page() as page:
        other = UploadPage(page, own_stack.url).open()
        other.add(file)
        other.row(file.name).expect_stored()
    with own.page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(other_file)
    own.row(other_file.name).expect_refused("another_file")
    assert len(objects(own_stack) - before) == 1


def test_another_file_of_the_name_of_one_that_is_unfinished_can_be_sent_beside_it(paused, own, own_stack, own_line, varied):
    before = objects(own_stack)
    file, _ = paused()
    (file.parent / "elsewhere").mkdir()
    namesake = varied(f"elsewhere/{file.name}", 9 * MIB, seed=5)
    own.open()
    own_line.rate = None
    own.choose("archives").add(namesake)
    row = own.row(file.name)
    row.expect_refused("another_file")
    row.button("Send it beside").click()
    row.expect_stored_at_last()
    own.clear()
    expect(own.page.locator("#unfinished li")).to_have_count(1)
    own.add(file)
    row.expect_stored()
    stored = [path.read_bytes() for folder in objects(own_stack) - before for path in folder.glob("*.zip")]
    assert sorted(stored) == sorted([file.read_bytes(), namesake.read_bytes()])


def test_another_file_of_a_name_that_another_tab_sends_is_sent_as_well(paused, own, own_context, own_stack, own_line, varied):
    file, row = paused()
    row.button("Resume").click()
    row.expect_state("sending")
    (file.parent / "elsewhere").mkdir()
    with own_context.new_page() as page:
        other = UploadPage(page, own_stack.url).open()
        namesake = varied(f"elsewhere/{file.name}", 9 * MIB, seed=5)
        other.upload("archives", namesake)
        other.row(file.name).expect_state("sending", "stored")
        own_line.rate = None
        other.row(file.name).expect_stored()
    row.expect_stored()


def test_an_upload_to_a_collection_that_is_closed_now_is_not_begun_anew_in_another(paused, own, own_stack):
    before = objects(own_stack)
    file, _ = paused()
    own.open()
    # Its title is known all the same.
    titles = own.page.locator("#collection-titles")
    titles.evaluate("""titles => {
        const said = JSON.parse(titles.textContent);
        titles.textContent = JSON.stringify({...said, archives: `${said.archives} as people call it`});
    }""")
    own.page.locator("input[value=archives]").evaluate("input => input.closest('label').remove()")
    own.upload("demo", file)
    own.row(file.name).expect_refused("collection_closed")
    expect(own.row(file.name).part("collection")).to_have_text("archives as people call it")
    assert objects(own_stack) == before
    expect(own.page.locator("#unfinished li")).to_have_count(1)


def test_what_goes_on_in_another_collection_than_is_chosen_says_so(paused, own, own_line):
    file, _ = paused()
    own.open()
    own_line.rate = None
    own.upload("demo", file)
    expect(own.page.locator("#notice")).to_have_text("series.zip goes on in archives, where it was begun.")
    own.row(file.name).expect_stored()


def test_a_file_that_is_chosen_twice_before_its_collection_is_sent_once(own, own_stack, varied):
    before = objects(own_stack)
    file = varied("twice.zip", 3 * MIB)
    own.add(file)
    expect(own.page.locator("#held-text")).to_contain_text("1 file chosen")
    own.add(file)
    expect(own.page.locator("#notice")).to_have_text("twice.zip is chosen already.")
    own.choose("archives")
    own.page.get_by_role("button", name="Upload 1 file").click()
    own.row("twice.zip").expect_stored()
    expect(own.row("twice.zip").part("name")).to_be_focused()
    assert len(objects(own_stack) - before) == 1


def test_what_waited_for_its_collection_is_sent_with_what_is_chosen_next(own):
    own.add(small("first.zip"))
    expect(own.page.locator("#held")).to_be_visible()
    own.choose("archives")
    own.add(small("second.zip"))
    for name in ("first.zip", "second.zip"):
        own.row(name).expect_stored()
    expect(own.page.locator("#held")).to_be_hidden()


def test_a_disk_that_does_not_answer_can_be_paused_and_given_up_and_holds_nobody_up(own, sized):
    own.page.route(
        "**/hash-worker*.js",
        lambda route: route.fulfill(body="addEventListener('message', () => {});", content_type="text/javascript"),
    )
    own.open()
    own.upload("archives", *[sized(f"{name}.zip", 2 * MIB) for name in "abc"])
    a, b, c = (own.row(f"{name}.zip") for name in "abc")
    for row in (a, b):
        row.expect_state("reading")
        expect(row.part("state")).to_have_text("Reading the file")
    c.expect_state("queued")
    a.button("Pause").click()
    a.expect_state("paused")
    c.expect_state("reading")
    b.button("Cancel").click()
    b.expect_state("cancelled")


def test_the_title_does_not_run_backwards(own, own_line, sized):
    own_line.rate = 12 * MIB
    own.page.evaluate(TITLES)
    own.upload("archives", *[sized(f"{name}.zip", size * MIB) for name, size in (("a", 4), ("b", 20), ("c", 12))])
    for name in "abc":
        own.row(f"{name}.zip").expect_stored()
    told = [int(match[1]) for title in own.page.evaluate("() => window.titles") if (match := re.match(r"(\d+) %", title))]
    assert told == sorted(told) and len(set(told)) > 3, told
