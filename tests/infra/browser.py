"""One upload through a deployment by Chromium, as a data manager does it."""

import re
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, READER
from tests.browser.upload_page import UploadPage
from tests.infra.uploads import Edge


def upload(edge: Edge, chromium: Path, address: str, file: Path, seconds: int) -> str:
    """The receipt that the page lets its reader download."""
    rule = f"--host-resolver-rules=MAP {edge.url.removeprefix('https://')} {address}"
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, rule]) as browser,
        browser.new_context(**READER) as context,
    ):
        page = context.new_page()
        page.goto(edge.url + "/accounts/login/")
        page.get_by_label("User name").fill("operator")
        page.get_by_label("Password").fill("long enough for a trial")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(edge.url + "/")
        uploads = UploadPage(page, edge.url).open()
        uploads.upload("demo", file)
        row = uploads.row(file.name)
        expect(row.element).to_have_attribute("data-state", re.compile("^(stored|stopped)$"), timeout=seconds * 1000)
        row.expect_stored()
        with page.expect_download() as download:
            row.element.get_by_role("link", name="Download receipt").click()
        return download.value.path().read_text()
