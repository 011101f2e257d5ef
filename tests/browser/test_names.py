"""Owners see what their files are called; the web tier does not (ADR 0034)."""

import json
import re
import urllib.parse

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASS_PHRASE, READER, an_archive, make_person, sign_in, small, watch_for_faults
from tests.browser.test_access import LOW_CONTRAST, NAMELESS, SMALL_TARGETS
from tests.browser.test_look import SIZES
from tests.browser.test_privacy import holds_the_name
from tests.browser.upload_page import UploadPage

PERSON = "owner-of-names"
NAMES = ["Müller Änne canary-of-the-page.zip", "site 04 export 10.zip", "site 04 export 9.zip"]


@pytest.fixture(scope="module")
def owner(stack, browser) -> dict:
    """The cookies of a person who has sent three files to two collections."""
    make_person(stack, PERSON)
    for slug in ("owners-mri", "owners-ct"):
        stack.manage("web_app", "create_collection", slug, "--title", slug.replace("-", " "), "--member", PERSON)
        stack.manage("services_app", "init_store", "--collection", slug)
    with browser.new_context(**READER) as context:
        page = context.new_page()
        sign_in(page, stack, PERSON, PASS_PHRASE)
        uploads = UploadPage(page, stack.url).open()
        for name, slug in zip(NAMES, ("owners-mri", "owners-ct", "owners-mri"), strict=True):
            uploads.upload(slug, small(name, an_archive(name) + bytes(2000)))
            uploads.row(name).expect_stored()
        return context.storage_state()


@pytest.fixture
def listed(browser, stack, owner, line):
    """The page "Your uploads", in a browser that has never sent anything."""
    with browser.new_context(storage_state=owner, viewport={"width": 1280, "height": 900}, **READER) as context:
        page = context.new_page()
        faults = watch_for_faults(page)
        page.goto(stack.url + "/uploads/")
        yield page
        assert not faults


def names_on(page: Page) -> list[str]:
    return page.locator("#list [data-part=name]").all_text_contents()


def expect_names(page: Page, *names: str) -> None:
    expect(page.locator("#list [data-part=name]")).to_have_text(list(names))


def test_each_row_has_the_files_name_and_every_button_says_which_file_it_is_for(listed):
    expect_names(listed, *reversed(NAMES))
    for name in NAMES:
        expect(listed.get_by_role("link", name=f"Receipt of {name}")).to_be_visible()
        row = listed.get_by_role("row", name=re.compile(re.escape(name)))
        row.locator("summary").click()
        expect(row.get_by_role("button", name=f"Copy digest of {name}")).to_be_visible()


def test_a_name_is_found_and_sorted_by_without_leaving_the_browser(listed, stack):
    expect_names(listed, *reversed(NAMES))
    asked = []
    listed.on("request", lambda request: asked.append(f"{request.url} {request.all_headers()} {request.post_data or ''}"))
    find = listed.get_by_label("Find by name")
    find.fill("EXPORT 9")
    expect_names(listed, NAMES[2])
    expect(listed.locator("[data-part=count]")).to_have_text("1 of 3 uploads.")
    find.press("Enter")
    expect_names(listed, NAMES[2])
    find.fill("")
    listed.get_by_label("Order").select_option("name")
    expect_names(listed, NAMES[0], NAMES[2], NAMES[1])  # 9 before 10, as people count
    find.fill("no such name")
    expect(listed.get_by_text("Nothing of yours has such a name.")).to_be_visible()
    expect(listed.locator("#list table")).to_be_hidden()
    find.fill("canary-of-the-page")
    expect_names(listed, NAMES[0])
    expect(listed.locator("#list table")).to_be_visible()
    assert not [each for each in asked if "EXPORT" in each or holds_the_name(each.encode())]
    assert "export" not in listed.url.lower() and "canary" not in listed.url


def test_a_collection_and_days_are_chosen_in_place_and_stand_in_the_address(listed):
    listed.get_by_label("Collection").select_option(label="owners ct")
    expect_names(listed, NAMES[1])
    assert urllib.parse.urlsplit(listed.url).query == "collection=owners-ct"
    listed.reload()
    expect_names(listed, NAMES[1])
    listed.get_by_label("To").fill("2020-01-01")
    expect(listed.get_by_text("Nothing of yours fits this.")).to_be_visible()


def test_days_are_those_of_the_zone_in_which_times_stand(browser, stack, owner, listed):
    expect(listed.get_by_text("Times and days in Europe/Zurich.")).to_be_visible()
    listed.get_by_label("From").fill("2020-01-01")
    listed.wait_for_url("**/uploads/?since=2020-01-01&zone=Europe%2FZurich")
    expect_names(listed, *reversed(NAMES))
    with browser.new_context(storage_state=owner, **READER | {"timezone_id": "Asia/Tokyo"}) as context:
        page = context.new_page()
        page.goto(listed.url)  # sent to somebody who reads it elsewhere
        page.wait_for_url("**/uploads/?since=2020-01-01&zone=Asia%2FTokyo")
        expect(page.get_by_text("Times and days in Asia/Tokyo.")).to_be_visible()


def test_a_name_that_was_made_safe_is_told_beside_the_one_that_was_sent(uploads):
    uploads.upload("demo", small("=sum (Änne);1.zip"), small("plain.zip"))
    for name in ("=sum (Änne);1.zip", "plain.zip"):
        uploads.row(name).expect_stored()
    expect(uploads.row("=sum (Änne);1.zip").part("note")).to_have_text("Stored under a name that is safe everywhere: “_=sum (Änne)_1.zip”.")
    listed = uploads.page.locator("#recent tr", has_text="_=sum")
    expect(listed).to_contain_text("Sent as “=sum (Änne);1.zip”")
    expect(uploads.row("plain.zip").part("note")).to_be_hidden()


def test_a_file_that_was_refused_stands_as_refused_in_the_list(uploads):
    with uploads.page.expect_response(lambda answer: answer.request.method == "DELETE" and "because=type_refused" in answer.url):
        uploads.upload("archives", small("refused.txt", b"plain text"))
    uploads.page.goto(uploads.url + "/uploads/")
    expect(uploads.page.locator("#list tbody tr").first).to_contain_text("Refused: wrong type")


def test_the_names_token_is_in_no_address_and_bound_to_the_cookie(listed, stack, browser):
    expect_names(listed, *reversed(NAMES))
    with listed.expect_response("**/api/v1/names") as minted, listed.expect_response("**/u/names") as told:
        listed.reload()
    token = minted.value.json()["token"]
    assert told.value.url == f"{stack.url}/u/names" and told.value.headers["cache-control"] == "no-store"
    with browser.new_context(**READER) as stranger:
        answer = stranger.request.get(told.value.url, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status, answer.json()["code"]) == (401, "token_binding")


def test_names_are_nowhere_on_the_web_tier_after_they_were_read(listed, stack):
    expect_names(listed, *reversed(NAMES))
    assert holds_the_name("".join(names_on(listed)).encode()), "the positive control: the page has them"
    for folder in (stack.web_state, stack.prefix / "logs", stack.logs):
        for path in folder.rglob("*"):
            assert not path.is_file() or not holds_the_name(path.read_bytes()), path.name


def test_where_names_cannot_be_had_the_ids_stay(browser, stack, owner):
    with browser.new_context(storage_state=owner, **READER) as context:
        page = context.new_page()
        page.route("**/u/names", lambda route: route.fulfill(status=503, body=json.dumps({"code": "draining"})))
        page.goto(stack.url + "/uploads/")
        expect(page.locator("#announcements")).to_contain_text("Names cannot be shown now")
        assert all(re.fullmatch(r"[0-9a-f-]{36}", name) for name in names_on(page))


def test_without_scripts_the_list_is_whole_and_can_be_filtered(browser, stack, owner):
    with browser.new_context(storage_state=owner, java_script_enabled=False, **READER) as context:
        page = context.new_page()
        page.goto(stack.url + "/uploads/")
        expect(page.locator("#list tbody tr")).to_have_count(3)
        expect(page.get_by_label("Find by name")).to_be_hidden()
        page.get_by_label("Collection").select_option(label="owners ct")
        with page.expect_navigation():  # without scripts whoever looks into a page that goes away is told that it went
            page.get_by_role("button", name="Show").click()
        expect(page.locator("#list tbody tr")).to_have_count(1)


def test_on_paper_stand_person_collection_zone_and_the_whole_digest(listed, screenshots):
    expect_names(listed, *reversed(NAMES))
    listed.get_by_label("Find by name").fill("export")
    expect_names(listed, *reversed(NAMES[1:]))
    listed.emulate_media(media="print")
    listed.set_viewport_size({"width": 794, "height": 1123})
    expect(listed.locator(".on-paper")).to_contain_text(f"Uploads of {PERSON}")
    expect(listed.get_by_text("Times and days in Europe/Zurich.")).to_be_visible()
    listed.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(listed.locator(".on-paper")).to_contain_text(re.compile(r"with “export” in name or row\. Printed .*\d:\d\d \(Europe/Zurich\)\."))
    for exact in listed.locator("#list .exact").all():
        expect(exact).to_have_text(re.compile(r"\(2,\d{3} bytes\)"))
        expect(exact).to_be_visible()
    rules = listed.evaluate("[...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).map((rule) => rule.cssText)")
    assert any(rule.startswith("@page") and "counter(page)" in rule and "counter(pages)" in rule for rule in rules)
    for digest in listed.locator("#list .digest").all():
        box = digest.bounding_box()
        assert re.fullmatch("[0-9a-f]{64}", digest.text_content()) and box["height"] > 0 and box["x"] + box["width"] <= 794
    for away in ("#filters", ".nav", "#list .copy", "#list summary"):
        expect(listed.locator(away).first).to_be_hidden()
    listed.screenshot(path=screenshots / "uploads-on-paper.png", full_page=True)
    listed.pdf(path=screenshots / "uploads-on-paper.pdf", format="A4")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_with_names_is_photographed_and_can_be_read_and_pressed(browser, stack, owner, line, screenshots, scheme, size):
    options = {"viewport": SIZES[size], "color_scheme": scheme, "has_touch": size == "phone", **READER}
    with browser.new_context(storage_state=owner, **options) as context:
        page = context.new_page()
        page.goto(stack.url + "/uploads/")
        expect_names(page, *reversed(NAMES))
        page.locator("summary").first.click()
        page.screenshot(path=screenshots / f"uploads-named-{size}-{scheme}.png", full_page=True)
        assert page.evaluate(LOW_CONTRAST) == page.evaluate(SMALL_TARGETS) == page.evaluate(NAMELESS) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
