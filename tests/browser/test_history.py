"""The list of one's own uploads."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASS_PHRASE, READER, make_person, sign_in, small


@pytest.fixture(scope="module")
def newcomer(stack) -> str:
    """A person without a collection or an upload."""
    make_person(stack, "newcomer")
    return "newcomer"


def listed(page: Page) -> list[str]:
    """The ids of the rows, in order: of its upload where a row has one, of its grant otherwise."""
    return page.locator("tbody tr").evaluate_all("rows => rows.map((row) => row.dataset.upload ?? row.dataset.grant)")


def test_the_list_goes_back_in_time_page_by_page(page: Page, stack, api):
    for _ in range(55):
        api.new_grant(stack.collection)
    page.goto(stack.url + "/uploads/")
    expect(page.locator("tbody tr")).to_have_count(50)
    seen = set(listed(page))
    page.get_by_role("link", name="Next page").click()
    page.wait_for_url("**/uploads/?page=2")
    expect(page.locator("[data-part=count]")).to_contain_text("page 2 of")
    rows = listed(page)
    assert len(rows) >= 5 and not seen & set(rows)
    page.get_by_role("link", name="Previous page").click()
    page.wait_for_url("**/uploads/")


def test_the_longest_words_leave_the_list_within_the_page(uploads):
    rows = [small(f"{number}.csv", b"a,b\n1,2\n3,4\n" * number) for number in (1, 2)]
    uploads.upload("demo", *rows)
    for number in (1, 2):
        uploads.row(f"{number}.csv").expect_stored()
    uploads.page.goto(uploads.url + "/uploads/")
    table = uploads.page.locator("table.uploads")
    expect(table.locator("[data-label=Type]").first).to_have_text("CSV (comma, semicolon or tab)")
    table.locator(".badge").first.evaluate(
        "badge => Object.assign(badge, {className: 'badge refused', textContent: 'Refused: a form, not the file'})"
    )
    for width in (1280, 1024, 390):
        uploads.page.set_viewport_size({"width": width, "height": 800})
        ends = table.evaluate("table => [table, table.parentElement].map((each) => each.getBoundingClientRect().right)")
        assert ends[0] <= ends[1] + 0.5, width


def test_the_whole_digest_comes_on_demand_and_can_be_copied(uploads, context):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    uploads.upload("demo", small("digest.zip"))
    row = uploads.row("digest.zip")
    row.expect_stored()
    listed = uploads.page.locator("#recent details").filter(has_text=row.digest)  # the list comes a moment later
    expect(listed.locator(".digest")).to_be_hidden()
    listed.locator("summary").click()
    expect(listed.locator(".digest")).to_have_text(row.digest)
    listed.get_by_role("button", name="Copy digest of digest.zip").click()
    expect(uploads.page.locator("#announcements")).to_contain_text("Digest copied.")
    assert uploads.page.evaluate("navigator.clipboard.readText()") == row.digest


def test_who_has_no_collection_is_told_whom_to_ask_and_sees_nobody_elses_uploads(browser, stack, newcomer):
    with browser.new_context(**READER) as context:
        page = context.new_page()
        sign_in(page, stack, newcomer, PASS_PHRASE)
        expect(page.get_by_role("heading", name="No collection yet")).to_be_visible()
        expect(page.get_by_text("Nothing uploaded yet.")).to_be_visible()
        page.goto(stack.url + "/uploads/")
        expect(page.get_by_text("Nothing uploaded yet.")).to_be_visible()


def test_a_single_collection_is_chosen_already(browser, stack, newcomer):
    stack.manage("web_app", "create_collection", "only-one", "--title", "The only one", "--member", newcomer)
    with browser.new_context(**READER) as context:
        page = context.new_page()
        sign_in(page, stack, newcomer, PASS_PHRASE)
        expect(page.get_by_role("radio", name="The only one")).to_be_checked()


def test_lists_are_for_people_who_signed_in(browser, stack):
    with browser.new_context(**READER) as context:
        for path in ("/", "/uploads/", "/uploads/recent", "/signed-in/"):
            answer = context.request.get(stack.url + path, max_redirects=0)
            assert (answer.status, answer.headers["location"].split("?")[0]) == (302, "/accounts/login/")
        answer = context.request.get(stack.url + "/session")
        assert (answer.status, answer.json()["code"]) == (401, "not_signed_in")


def test_a_made_up_place_in_the_list_is_not_found(page: Page, stack):
    assert page.goto(stack.url + "/uploads/?page=nonsense").status == 404
    expect(page.get_by_role("heading", name="No such page")).to_be_visible()
