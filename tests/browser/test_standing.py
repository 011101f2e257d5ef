"""What is stored, and what was found of it: people see both, beside each other."""

import pytest
from playwright.sync_api import expect

from dev.stack import Stack
from tests.browser.conftest import ARGUMENTS, READER, an_archive, sign_in, small, watch_for_faults
from tests.browser.upload_page import UploadPage

HOOK = """
[[hook]]
name = "judge"
kind = "command"
required = true
collections = "all"
since = 2020-01-01T00:00:00Z
command = ["/bin/sh", "-c", 'case "$SLUICE_PATH" in *bad*) exit 1;; esac']
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A stack that wants to have looked at everything, and whose worker comes when it is called."""
    folder = tmp_path_factory.mktemp("standing")
    hooks = folder / "hooks.toml"
    hooks.write_text(HOOK)
    hooks.chmod(0o640)
    of_both = {"HOOKS_FILE": str(hooks)}
    with Stack(folder / "stack", env={"control": of_both, "uploads": of_both}) as stack:
        yield stack


@pytest.fixture
def page(playwright_driver, chromium, checked):
    browser = playwright_driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
    with browser, browser.new_context(viewport={"width": 1280, "height": 900}, **READER) as context:
        page = context.new_page()
        faults = watch_for_faults(page)
        sign_in(page, checked)
        yield page
        assert not faults


def test_a_stored_file_is_being_checked_then_released_or_quarantined_and_its_receipt_stays(page, checked):
    uploads = UploadPage(page, checked.url).open()
    names = ("good scan.zip", "bad scan.zip")
    for name in names:
        uploads.upload(checked.collection, small(name, an_archive(name)))
        uploads.row(name).expect_stored()

    def expect_standing(name: str, text: str) -> None:
        row = page.locator("#list tr", has=page.locator("[data-part=name]", has_text=name))
        expect(row.locator(".badge")).to_have_text("Stored and verified")
        expect(row.locator("[data-part=standing]")).to_have_text(text)
        expect(row.get_by_role("link", name="Receipt")).to_be_visible()

    page.goto(checked.url + "/uploads/")
    for name in names:
        expect_standing(name, "Being checked; not released yet.")
    assert checked.manage("services_app", "outbox").strip() == "done=1 found=1"
    page.reload()
    expect_standing(names[0], "Checked and released.")
    expect_standing(names[1], "Quarantined: something was found in it. It stays stored, and nobody may use it.")
