"""Operators' pages hold to what every other page holds to."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import findings

PATHS = [
    "",
    "accounts/user/",
    "accounts/user/add/",
    "accounts/apikey/",
    "accounts/apikey/add/",
    "audit/auditevent/",
    "audit/securityevent/",
    "collections/collection/",
    "collections/collection/add/",
    "collections/membership/",
    "collections/membership/add/",
    "grants/grant/",
    "grants/storedupload/",
    "proof/checkpoint/",
    "password_change/",
]


@pytest.fixture
def something(stack, api):
    """A file that is stored, so that no list is empty."""
    grant = api.new_grant(stack.collection)
    api.hand_in(api.put(grant["token"], b"a,b\n1,2\n").json()["receipt"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_the_admin_has_a_finding(context, stack, something, node_modules, screenshots, scheme):
    page = context.new_page()  # not watched for faults: the policy keeps Django's select2 from styling inline, as it should
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    found = {}
    for path in PATHS:
        page.goto(f"{stack.url}/admin/{path}")
        found[path] = findings(page, node_modules)
        if path in ("", "grants/storedupload/", "audit/auditevent/", "collections/collection/add/"):
            page.screenshot(path=screenshots / f"admin-{path.replace('/', '-')}{scheme}.png", full_page=True)
    for path in ("grants/grant/", "grants/storedupload/", "collections/collection/", "accounts/user/", "audit/auditevent/"):
        page.goto(f"{stack.url}/admin/{path}")
        page.locator("#result_list tbody th a").first.click()
        page.wait_for_url("**/change/")
        found[f"one of {path}"] = findings(page, node_modules)
    assert {path: each for path, each in found.items() if each} == {}


def test_an_operator_finds_what_somebody_sent_and_exports_it(page: Page, stack, something):
    page.goto(stack.url + "/")
    page.get_by_role("link", name="Admin").click()
    page.get_by_role("link", name="Stored uploads", exact=True).first.click()
    page.locator("#searchbar").fill(stack.username)
    page.locator("#changelist-search input[type=submit]").click()
    row = page.locator("#result_list tbody tr").first
    expect(row).to_contain_text(re.compile(rf"{stack.collection}.*{stack.username}.*UTC", re.DOTALL))
    with page.expect_download() as download:
        page.get_by_role("link", name="Export these (CSV)").click()
    assert stack.username in download.value.path().read_text()
