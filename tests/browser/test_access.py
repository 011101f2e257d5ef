"""Anyone can use it: by keyboard, with a screen reader, on a small phone, in the dark."""

import contextlib
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import an_archive, small
from tests.waiting import wait_for

MIB = 1 << 20

# Text whose contrast with what lies behind it is under WCAG's AA: 4.5, or 3 for large text.
LOW_CONTRAST = """
() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return rgba('Canvas');
  };
  const bad = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = texts.nextNode());) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest('.visually-hidden, noscript, .skip')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(rgba(style.color)), luminance(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (contrast < (large ? 3 : 4.5)) bad.push(`${contrast.toFixed(2)} ${node.data.trim()} ${style.color} on ${behind(element)}`);
  }
  return bad;
}
"""

# Things to press that are smaller than 44 pixels one way, or that have no name.
SMALL_TARGETS = """
() => [...document.querySelectorAll('button, a, label:has(> input), summary, input:not([type=hidden], [type=file])')]
  .filter((each) => !(each.matches('[type=radio], [type=checkbox]') && each.closest('label')))
  .filter((each) => each.checkVisibility() && !each.matches('.skip, .visually-hidden'))
  .filter((each) => each.getBoundingClientRect().height < 44 || each.getBoundingClientRect().width < 44)
  .map((each) => each.outerHTML)
"""
NAMELESS = """
() => [...document.querySelectorAll('button, a, input:not([type=hidden]), progress, summary, section, fieldset, nav')]
  .filter((each) => !each.closest('[hidden]'))
  .filter((each) => !(each.textContent.trim() || each.getAttribute('aria-label') || each.labels?.length))
  .map((each) => each.outerHTML)
"""


def low_contrast(page: Page) -> list[str]:
    """Asked again for a moment: a button under the mouse takes its new colour a few frames after the page does."""
    with contextlib.suppress(AssertionError):
        wait_for(lambda: not page.evaluate(LOW_CONTRAST), patience=2)
    return page.evaluate(LOW_CONTRAST)


@pytest.fixture
def every_state(uploads, line, sized):
    """One page with a file under way, one stored, one refused, one cancelled, and earlier uploads with a digest open."""
    uploads.choose("archives")
    uploads.add(small("stored with a rather long name that goes on and on and on, as exports tend to do.zip"))
    uploads.row("stored with a rather long name that goes on and on and on, as exports tend to do.zip").expect_stored()
    uploads.add(small("refused.txt", b"plain text"))
    uploads.row("refused.txt").expect_refused("type_refused")
    line.rate = MIB
    uploads.add(sized("cancelled.zip", 16 * MIB), sized("under way.zip", 48 * MIB))
    uploads.row("cancelled.zip").expect_state("sending")
    uploads.row("cancelled.zip").cancel()
    uploads.row("cancelled.zip").expect_state("cancelled")
    uploads.row("under way.zip").part("pace").filter(has_text="left").wait_for()
    uploads.page.locator("#recent summary").first.click()
    return uploads


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_targets_and_names_hold_in_every_state(every_state, scheme):
    page = every_state.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    assert low_contrast(page) == []
    assert page.evaluate(SMALL_TARGETS) == []
    assert page.evaluate(NAMELESS) == []
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert dark == (scheme == "dark")


@pytest.mark.parametrize("width", [320, 360, 390, 768, 1000])
def test_no_sideways_scrolling_at_any_width(every_state, width):
    page = every_state.page
    page.set_viewport_size({"width": width, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(SMALL_TARGETS) == []


def test_the_question_before_discarding_holds_to_the_same(uploads, line, sized):
    page = uploads.page
    line.rate = 16 * MIB
    uploads.upload("demo", sized("a-name-without-a-single-space-that-goes-on-and-on-as-exports-tend-to-do.zip", 96 * MIB))
    row = uploads.row("a-name-without-a-single-space-that-goes-on-and-on-as-exports-tend-to-do.zip")
    wait_for(lambda: row.part("bar").evaluate("bar => bar.value") > 9 * MIB)
    row.button("Cancel").click()
    expect(uploads.question()).to_be_visible()
    page.set_viewport_size({"width": 320, "height": 640})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert low_contrast(page) == []
        assert page.evaluate(SMALL_TARGETS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        assert uploads.question().evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")


def test_the_question_about_empty_files_holds_to_the_same(uploads):
    page, question = uploads.page, uploads.question_about_empty()
    name = "a-name-without-a-single-space-that-goes-on-and-on-as-exports-tend-to-do"
    uploads.upload("demo", *(small(f"{name}-{number}.zip", b"") for number in range(7)))
    expect(question).to_be_visible()
    page.set_viewport_size({"width": 320, "height": 740})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert low_contrast(page) == []
        assert page.evaluate(SMALL_TARGETS) == []
        assert page.evaluate(NAMELESS) == []
        assert question.evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    page.keyboard.press("Escape")


OTHER_PAGES = ["/uploads/", "/no-such-page", "/accounts/login/", "/signed-in/", "/verify/", "/keys/", "/accounts/password/"]
OTHER_PAGES += ["/accounts/factors/", "/accounts/factors/app/", "/accounts/factors/passkey/"]
OTHER_PAGES += ["/accounts/sessions/", "/accounts/forgotten/", "/accounts/new-password/"]


@pytest.mark.parametrize("path", OTHER_PAGES)
def test_the_other_pages_hold_to_the_same(page: Page, stack, path):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(stack.url + path)
        assert low_contrast(page) == []
        assert page.evaluate(SMALL_TARGETS) == []
        assert page.evaluate(NAMELESS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.locator("h1").count() == 1


def test_motion_is_left_out_for_who_asks_for_that(page: Page, stack):
    page.emulate_media(reduced_motion="reduce")
    page.goto(stack.url + "/")
    assert page.locator("#clear-ended").evaluate("button => getComputedStyle(button).transitionDuration") == "0s"


def test_the_whole_way_by_keyboard(uploads, tmp_path):
    page, press = uploads.page, uploads.page.keyboard.press
    order = [
        page.get_by_role("link", name="Skip to the content"),
        page.get_by_role("link", name="Sluice"),
        page.get_by_role("link", name="Upload", exact=True),
        page.get_by_role("link", name="Your uploads"),
        page.get_by_role("link", name="Admin"),
        page.get_by_role("button", name="Sign out"),
        page.locator("input[name=collection]").first,
        page.locator("#file-input"),
    ]
    for stop in order[:-1]:
        press("Tab")
        expect(stop).to_be_focused()
        assert stop.evaluate("element => element.matches(':focus-visible')")
    while not page.locator("input[name=collection][value=archives]").is_checked():
        press("ArrowDown")
    press("Tab")
    expect(order[-1]).to_be_focused()
    label = page.locator("label[for=file-input]")
    assert label.evaluate("label => getComputedStyle(label).outlineStyle") == "solid", "the focus is seen on the label"
    file = tmp_path / "by keyboard.zip"
    file.write_bytes(an_archive())
    with page.expect_file_chooser() as chooser:
        press("Space")
    chooser.value.set_files(file)
    row = uploads.row(file.name)
    row.expect_stored()
    stops = [
        page.locator("#folder-input"),
        page.get_by_role("button", name="Clear finished"),
        page.get_by_label("Keep this screen awake"),
        page.get_by_label("Show a notice when all is done"),
        row.button("Details"),
        row.element.get_by_role("link", name="Download receipt"),
        row.button("Remove"),
    ]
    expect(stops[1]).to_be_visible()  # it comes with the next look at all rows
    for stop in stops:
        press("Tab")
        expect(stop).to_be_focused()
    press("Enter")
    expect(row.element).to_have_count(0)
    expect(page.locator("#file-input")).to_be_focused()


def test_the_keyboard_keeps_its_place_when_a_button_goes_away(uploads, line, sized):
    line.rate = MIB      # nothing is safe yet, so nothing is asked
    uploads.upload("demo", sized("place.zip", 24 * MIB))
    row = uploads.row("place.zip")
    row.expect_state("sending")
    row.button("Cancel").focus()
    uploads.page.keyboard.press("Enter")
    row.expect_state("cancelled")
    expect(row.part("name")).to_be_focused()


def test_the_live_region_says_start_quarters_and_result_and_no_more(uploads, line, sized):
    region = uploads.page.locator("#announcements")
    expect(region).to_have_attribute("aria-live", "polite")
    region.evaluate(
        """region => {
            window.heard = [];
            new MutationObserver(() => window.heard.push(region.textContent)).observe(region, {childList: true, characterData: true});
        }"""
    )
    line.rate = 4 * MIB
    uploads.upload("demo", sized("spoken.zip", 40 * MIB))
    uploads.row("spoken.zip").expect_stored()
    heard = wait_for(lambda: (said := uploads.page.evaluate("window.heard")) and "verified" in said[-1] and said)
    assert heard[0] == "spoken.zip: upload started."
    assert heard[-1] == "spoken.zip: Stored and verified."
    between = " ".join(heard[1:-1])
    assert re.findall(r"\d+ percent", between) == ["25 percent", "50 percent", "75 percent"]
    assert len(heard) <= 5


def test_a_refusal_is_announced(uploads):
    uploads.upload("archives", small("refused.txt", b"plain text"))
    expect(uploads.page.locator("#announcements")).to_have_text("refused.txt: This type of file is not accepted here.")


def test_the_bar_tells_its_file_and_its_value(uploads, line, sized):
    line.rate = 4 * MIB
    uploads.upload("demo", sized("bar.zip", 16 * MIB))
    row = uploads.row("bar.zip")
    row.expect_state("sending")
    bar = row.element.get_by_role("progressbar", name="Bytes taken of bar.zip")
    assert bar.evaluate("bar => bar.max") == 16 * MIB


def test_a_wrong_password_is_told_and_the_field_keeps_its_label(browser, stack):
    with browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.goto(stack.url + "/accounts/login/")
        expect(page.get_by_label("User name")).to_be_focused()
        page.keyboard.type("nobody")
        page.keyboard.press("Tab")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("correct username and password")
        expect(page.get_by_label("User name")).to_have_value("nobody")
        expect(page.get_by_label("Password")).to_be_focused()
        assert low_contrast(page) == []


def test_signing_out_is_one_press_and_ends_the_session(browser, stack):
    from tests.browser.conftest import READER, sign_in

    with browser.new_context(**READER) as context:
        page = context.new_page()
        sign_in(page, stack)
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/accounts/login/**")
        page.goto(stack.url + "/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
