"""The upload page as a data manager uses it. Nothing here waits a fixed time: every step waits for what it needs."""

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

# The page's own word on a file; the longest wait is for 327 MiB on a busy machine.
PATIENCE = 90_000


class UploadPage:
    def __init__(self, page: Page, url: str):
        self.page, self.url = page, url

    def open(self) -> "UploadPage":
        self.page.goto(self.url + "/")
        # The module has run when it has put the server's times, if any, into the reader's zone; the chooser always works then.
        self.page.wait_for_load_state("networkidle")
        return self

    def choose(self, collection: str) -> "UploadPage":
        self.page.locator(f"input[name=collection][value={collection}]").check()
        return self

    def add(self, *files: Path | dict) -> None:
        """Paths, or playwright's {"name", "mimeType", "buffer"}."""
        self.page.set_input_files("#file-input", list(files))

    def upload(self, collection: str, *files: Path | dict) -> None:
        self.choose(collection)
        self.add(*files)

    def row(self, name: str) -> "Row":
        return Row(self.page.locator("#files li.file", has=self.page.get_by_role("heading", name=name, exact=True)))

    def rows(self) -> Locator:
        return self.page.locator("#files li.file")

    def question(self) -> Locator:
        return self.page.get_by_role("dialog", name="Discard what has arrived?")

    def question_about_empty(self) -> Locator:
        return self.page.locator("dialog#empty")

    def discard(self) -> None:
        """The one upload that an earlier page left unfinished."""
        self.page.locator("#unfinished").get_by_role("button", name="Discard").click()
        self.question().get_by_role("button", name="Discard").click()

    def clear(self) -> None:
        self.page.get_by_role("button", name="Clear finished").click()
        expect(self.rows()).to_have_count(0)


class Row:
    def __init__(self, element: Locator):
        self.element = element

    def part(self, name: str) -> Locator:
        return self.element.locator(f"[data-part={name}]")

    def button(self, name: str) -> Locator:
        return self.element.get_by_role("button", name=re.compile(f"^{name}"))

    def cancel(self) -> None:
        """Whether the page asks depends on what has arrived by now; it has asked by the time that the click is over."""
        self.button("Cancel").click()
        question = self.element.page.locator("#discard")
        if question.evaluate("dialog => dialog.open"):
            question.get_by_role("button", name="Discard").click()

    def expect_state(self, *states: str) -> None:
        expect(self.element).to_have_attribute("data-state", re.compile(f"^({'|'.join(states)})$"), timeout=PATIENCE)

    def expect_stored(self) -> None:
        self.expect_state("stored", "stopped")
        assert self.code is None, f"stopped by {self.code}"

    def expect_stored_at_last(self) -> None:
        """For a row that was stopped before, and is about to go on."""
        self.expect_state("stored")

    def expect_refused(self, code: str) -> None:
        self.expect_state("stopped", "stored")
        assert self.code == code, f"{self.code}: {self.element.get_attribute('data-state')}"

    @property
    def code(self) -> str | None:
        """The problem code that the row shows."""
        text = self.part("code").text_content()
        return text.removeprefix("Code: ") if text else None

    @property
    def digest(self) -> str:
        return self.part("digest").text_content()
