"""Small things that people notice: a long title, other colours, a list that changes under the keyboard, paper."""

import base64
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import PASS_PHRASE, READER, make_person, sign_in, small
from tests.browser.upload_page import UploadPage
from tests.waiting import wait_for

MIB = 1 << 20
TITLE = ("Knochenmarktransplantationsverlaufsuntersuchung" * 3)[:97]
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"


# How often the page has read a newest list; by then it has done with it what it does.
COUNT_ANSWERS = """
window.answers = 0;
const {text} = Response.prototype;
Response.prototype.text = async function () {
  const read = await text.call(this);
  if (this.url.includes('/uploads/recent')) setTimeout(() => { window.answers += 1; });
  return read;
};
"""


@pytest.fixture(scope="module")
def member(stack) -> str:
    """Of two collections; the title of one is one long word."""
    make_person(stack, "wordy")
    stack.manage("web_app", "create_collection", "wordy", "--title", TITLE, "--member", "wordy")
    stack.manage("web_app", "create_collection", stack.collection, "--member", "wordy")
    return "wordy"


class TestALongTitle:
    @pytest.fixture
    def everywhere(self, browser, stack, member, line, sized) -> Iterator[UploadPage]:
        """The title on the choice, in a row, in what an earlier page left, and in the list of earlier uploads."""
        with browser.new_context(**READER) as context:
            page = context.new_page()
            page.on("dialog", lambda dialog: dialog.accept())
            sign_in(page, stack, member, PASS_PHRASE)
            uploads = UploadPage(page, stack.url).open()
            line.rate = 4 * MIB
            uploads.upload("wordy", sized("left.zip", 24 * MIB))
            uploads.row("left.zip").expect_state("sending")
            uploads.row("left.zip").button("Pause").click()
            uploads.row("left.zip").expect_state("paused")
            line.rate = None
            uploads.open()
            expect(page.locator("#unfinished li")).to_contain_text(TITLE)
            uploads.upload("wordy", small("stored.zip"))
            uploads.row("stored.zip").expect_stored()
            expect(page.locator("#recent tbody tr").first).to_contain_text(TITLE)
            yield uploads

    def test_never_makes_a_page_scroll_sideways(self, everywhere):
        page, wide = everywhere.page, {}

        def measure(place: str) -> None:
            for width in (1280, 390, 320):
                page.set_viewport_size({"width": width, "height": 800})
                found = page.evaluate("document.documentElement.scrollWidth")
                if found > width:
                    wide[place, width] = found

        measure("upload page")
        # Each alone: the widest of them would hide the others.
        for others in ("#unfinished, .recent", "#files, .recent", "#files, #unfinished"):
            page.evaluate("hide => document.querySelectorAll(hide).forEach(each => each.hidden = true)", others)
            measure(f"without {others}")
            page.evaluate("show => document.querySelectorAll(show).forEach(each => each.hidden = false)", others)
        page.locator("#recent summary").first.click()
        measure("a digest open")
        page.locator("input:checked").evaluate("choice => { choice.checked = false; }")
        everywhere.add(small("held.zip"))
        everywhere.choose("wordy")
        expect(page.locator("#held-text")).to_contain_text(TITLE)
        measure("files held back")
        page.goto(everywhere.url + "/uploads/")
        measure("uploads")
        assert wide == {}


class TestForcedColours:
    def test_the_bar_shows_how_far_it_is(self, uploads, line, sized):
        line.rate = 8 * MIB
        uploads.upload("demo", sized("half.zip", 32 * MIB))
        bar = uploads.row("half.zip").part("bar")
        wait_for(lambda: bar.evaluate("bar => bar.value") > 9 * MIB)
        uploads.row("half.zip").button("Pause").click()
        uploads.row("half.zip").expect_state("paused")
        for scheme in ("light", "dark"):
            uploads.page.emulate_media(forced_colors="active", color_scheme=scheme)
            assert colour_at(bar, 0.1) != colour_at(bar, 0.9), scheme

    def test_the_page_one_is_on_is_marked(self, uploads):
        uploads.page.emulate_media(forced_colors="active")
        nav = uploads.page.get_by_role("navigation", name="Pages")
        marks = [
            nav.get_by_role("link", name=name, exact=True).evaluate("link => getComputedStyle(link).borderBottomStyle")
            for name in ("Upload", "Your uploads")
        ]
        assert marks == ["solid", "none"]


def colour_at(element: Locator, share: float) -> list[int]:
    """What is seen at that share of the element's width, halfway down."""
    picture = base64.b64encode(element.screenshot()).decode()
    return element.evaluate(
        """async (_, [picture, share]) => {
            const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
            const image = await createImageBitmap(new Blob([bytes], {type: 'image/png'}));
            const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
            canvas.drawImage(image, 0, 0);
            return [...canvas.getImageData(Math.floor(image.width * share), image.height >> 1, 1, 1).data];
        }""",
        [picture, share],
    )


class TestTheListBelow:
    @pytest.fixture
    def uploads(self, page, stack, line) -> UploadPage:
        page.add_init_script(COUNT_ANSWERS)
        return UploadPage(page, stack.url).open().choose("demo")

    def store(self, uploads: UploadPage, name: str) -> str:
        """Returns the digest."""
        uploads.add(small(name, f"PK\x03\x04 {name}".encode()))
        uploads.row(name).expect_stored()
        return uploads.row(name).digest

    def test_is_not_replaced_under_the_keyboard(self, uploads):
        page, press = uploads.page, uploads.page.keyboard.press
        listed = page.locator("#recent .digest").first
        first = self.store(uploads, "first.zip")
        expect(listed).to_have_text(first)
        page.locator("#recent summary").first.focus()
        press("Enter")
        self.store(uploads, "second.zip")
        wait_for(lambda: page.evaluate("window.answers") == 2)
        third = self.store(uploads, "third.zip")
        expect(page.locator("#recent summary").first).to_be_focused()
        press("Tab")
        copy = page.locator("#recent .copy").first
        expect(copy).to_be_focused()
        # As when the whole window is left: the element keeps the focus.
        copy.dispatch_event("focusout")
        page.evaluate("() => new Promise((done) => setTimeout(done))")
        expect(copy).to_be_focused()
        expect(listed).to_have_text(first)
        press("Shift+Tab")
        press("Shift+Tab")
        expect(listed).to_have_text(third)
        expect(page.locator("#recent details[open] .digest")).to_have_text(first)
        expect(page.get_by_role("link", name="All uploads")).to_be_focused()

    def test_is_asked_for_twice_at_most_however_many_files_are_stored_at_once(self, uploads):
        uploads.page.evaluate(
            """async () => {
                const {refreshHistory} = await import('/static/pages/history.js');
                await Promise.all(Array.from({length: 50}, () => refreshHistory(document.querySelector('#recent'))));
            }"""
        )
        wait_for(lambda: uploads.page.evaluate("window.answers") >= 2)
        assert uploads.page.evaluate("window.answers") == 2

    def test_is_asked_for_again_after_a_failure(self, uploads):
        uploads.page.route("**/uploads/recent*", lambda route: route.abort(), times=1)
        with uploads.page.expect_event("requestfailed", lambda request: "/uploads/recent" in request.url):
            self.store(uploads, "unlisted.zip")
        digest = self.store(uploads, "listed.zip")
        expect(uploads.page.locator("#recent .digest").first).to_have_text(digest)


@pytest.mark.parametrize("browser_has_segmenter", [True, False])
def test_a_long_name_is_not_cut_within_a_character(context, stack, line, browser_has_segmenter):
    page = context.new_page()
    if not browser_has_segmenter:
        page.add_init_script("delete Intl.Segmenter")
    uploads = UploadPage(page, stack.url).open()
    name = f"a picture of all of them, {FAMILY * 12}.zip"
    uploads.upload("demo", small(name))
    row = uploads.row(name)
    head, tail = row.part("head").text_content(), row.part("tail").text_content()
    assert head + tail == name
    assert tail.endswith(".zip")
    if browser_has_segmenter:
        assert tail == f"{FAMILY * 10}.zip"
    for part in ("head", "tail"):
        assert row.part(part).evaluate("part => part.textContent.isWellFormed()")
    row.expect_stored()


def test_a_short_name_is_not_cut(uploads):
    uploads.upload("demo", small("twenty-eight characters.zip"))
    expect(uploads.row("twenty-eight characters.zip").part("tail")).to_have_text("")
    uploads.row("twenty-eight characters.zip").expect_stored()


def test_a_dropped_item_that_is_no_file_does_not_take_the_others_with_it(uploads):
    uploads.choose("demo")
    data = uploads.page.evaluate_handle(
        """() => {
            const {getAsFile} = DataTransferItem.prototype;
            DataTransferItem.prototype.getAsFile = function () {
                const file = getAsFile.call(this);
                return file.name === 'nothing' ? null : file;
            };
            DataTransferItem.prototype.webkitGetAsEntry = () => null;
            const data = new DataTransfer();
            for (const name of ['nothing', 'dropped.zip']) data.items.add(new File(['PK\\x03\\x04'], name));
            return data;
        }"""
    )
    uploads.page.dispatch_event("footer", "drop", {"dataTransfer": data})
    uploads.row("dropped.zip").expect_stored()
    assert uploads.rows().count() == 1


def test_a_drop_that_brings_no_file_at_all_is_answered(uploads):
    uploads.page.evaluate("() => { DataTransferItem.prototype.getAsFile = () => null; }")
    data = uploads.page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['x'], 'x')); return data; }"
    )
    uploads.page.dispatch_event("footer", "drop", {"dataTransfer": data})
    expect(uploads.page.locator("#notice")).to_contain_text("no file")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_page_whose_modules_do_not_load_says_so_after_a_while(page, stack, motion):
    page.emulate_media(reduced_motion=motion)
    page.route(re.compile(r"/static/pages/drop[^/]*\.js$"), lambda route: route.abort())
    page.goto(stack.url + "/")
    notice = page.locator("#preparing")
    # The clock of the animation is held, so that it does not matter how slow this machine is.
    delay = notice.evaluate(
        """notice => {
            const [late] = notice.getAnimations();
            late.pause();
            late.currentTime = late.effect.getComputedTiming().delay - 1;
            return late.effect.getComputedTiming().delay;
        }"""
    )
    assert delay == 5000
    assert not notice.is_visible()
    zone = page.locator(".collections")
    top = zone.evaluate("zone => zone.getBoundingClientRect().top")
    without = page.evaluate(
        """() => {
            const notice = document.querySelector('#preparing');
            notice.hidden = true;
            const {top} = document.querySelector('.collections').getBoundingClientRect();
            notice.hidden = false;
            return top;
        }"""
    )
    assert top == without
    notice.evaluate("notice => notice.getAnimations()[0].finish()")
    expect(notice).to_be_visible()
    expect(notice).to_contain_text("reload the page or use a newer browser")
    assert zone.evaluate("zone => zone.getBoundingClientRect().top") > top


def test_a_page_that_has_come_to_life_says_nothing_of_it(uploads):
    expect(uploads.page.locator("#preparing")).to_have_count(0)


@pytest.mark.parametrize(
    ("length", "text"), [(1, "1 byte"), (1000, "1000 bytes"), (1100, "1.1 KiB (1,100 bytes)")]
)
def test_a_size_in_bytes_is_told_once(uploads, length, text):
    uploads.upload("demo", small("sized.dat", b"x" * length))
    uploads.row("sized.dat").expect_stored()
    expect(uploads.row("sized.dat").part("bytes")).to_have_text(text)


def test_on_paper_the_page_is_a_record_of_what_was_stored(uploads):
    page = uploads.page
    name = "a rather long name that goes on and on, as exports tend to do, and then some more, for ever and ever.zip"
    uploads.upload("demo", small(name))
    row = uploads.row(name)
    row.expect_stored()
    page.set_viewport_size({"width": 700, "height": 1000})
    page.emulate_media(media="print", color_scheme="dark")
    for left_out in ("nav", ".person", ".collections", ".zone", ".button"):
        for each in page.locator(left_out).all():
            expect(each).to_be_hidden()
    for part in ("digest", "bytes", "time", "state"):
        expect(row.part(part)).to_be_visible()
    expect(page.locator("#recent tbody tr").first).to_be_visible()
    head = row.part("head")
    assert head.evaluate("head => getComputedStyle(head).whiteSpace") != "pre", "the whole name is there"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 33, 42)", "dark on white"
