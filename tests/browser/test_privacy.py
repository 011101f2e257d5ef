"""A file's name stays in the browser and on the services tier (invariant 6)."""

import urllib.parse

from playwright.sync_api import Page

from tests.browser.conftest import ARGUMENTS, small
from tests.waiting import wait_for

NAME = "Müller Änne 1951-03-07 canary-of-the-page.zip"
# Every spelling in which it could travel or lie about.
SPELLINGS = [
    spelling.encode(encoding)
    for spelling in ("canary-of-the-page", urllib.parse.quote(NAME), "Müller Änne")
    for encoding in ("utf-8", "utf-16-le")
]


def holds_the_name(content: bytes) -> bool:
    return any(spelling in content for spelling in SPELLINGS)


def test_the_name_goes_with_the_file_and_in_no_other_request(uploads):
    carriers = []
    page: Page = uploads.page
    page.on(
        "request",
        lambda request: (
            carriers.append((request.method, urllib.parse.urlsplit(request.url).path.split("/")[1]))
            if holds_the_name(f"{request.url} {request.all_headers()} {request.post_data or ''}".encode())
            else None
        ),
    )
    uploads.upload("demo", small(NAME))
    uploads.row(NAME).expect_stored()
    assert carriers == [("POST", "u")]


def test_the_name_is_on_the_nas_and_nowhere_on_the_web_tier(uploads, stack):
    uploads.upload("demo", small(NAME))
    uploads.row(NAME).expect_stored()
    on_the_nas = [path for path in stack.nas.rglob("*") if "canary-of-the-page" in path.name]
    assert on_the_nas, "the positive control: the search finds the name where it belongs"
    searched = 0
    for folder in (stack.web_state, stack.prefix / "logs", stack.logs):
        for path in folder.rglob("*"):
            if path.is_file():
                assert not holds_the_name(path.read_bytes()), path.name
                searched += 1
    assert searched > 5


def test_the_browser_keeps_nothing_after_the_page(uploads):
    uploads.upload("demo", small(NAME))
    uploads.row(NAME).expect_stored()
    wait_for(lambda: uploads.page.evaluate("async () => (await indexedDB.databases()).length") == 0)
    kept = uploads.page.evaluate(
        """async () => ({
            local: {...localStorage}, session: {...sessionStorage}, cookies: document.cookie, caches: await caches.keys(),
            databases: (await indexedDB.databases()).length, title: document.title,
        })"""
    )
    assert kept == {
        "local": {},
        "session": {},
        "cookies": kept["cookies"],
        "caches": [],
        "databases": 0,
        "title": "Upload files · Sluice",
    }
    assert not holds_the_name(kept["cookies"].encode())
    uploads.open()
    assert uploads.rows().count() == 0
    # Of what it shows again the services tier tells it the name (ADR 0034): what web_app sends holds none.
    assert not holds_the_name(uploads.page.request.get(uploads.url + "/").body())


STORE_WHAT_IS_DROPPED = """
addEventListener("dragover", event => event.preventDefault());
addEventListener("drop", async event => {
    event.preventDefault();
    const handle = await event.dataTransfer.items[0].getAsFileSystemHandle();
    const opening = indexedDB.open("handles", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("handles");
    opening.onsuccess = () => {
        const storing = opening.result.transaction("handles", "readwrite", {durability: "strict"});
        storing.objectStore("handles").put(handle, "file");
        storing.oncomplete = () => { opening.result.close(); document.title = "stored"; };
    };
});
"""


def test_a_stored_file_handle_would_write_the_name_into_the_profile(playwright_driver, chromium, tmp_path):
    """Why the page stores none (ADR 0011): the day on which this fails, it may."""
    file = tmp_path / NAME
    file.write_bytes(b"PK\x03\x04")
    with playwright_driver.chromium.launch_persistent_context(
        tmp_path / "profile", executable_path=chromium, args=ARGUMENTS
    ) as context:
        page = context.new_page()
        # Chromium gives a handle to a page of a secure origin only, and loopback is one.
        page.route("http://127.0.0.1/", lambda route: route.fulfill(body="<p>drop here", content_type="text/html"))
        page.goto("http://127.0.0.1/")
        page.evaluate(STORE_WHAT_IS_DROPPED)
        person = context.new_cdp_session(page)
        dropped = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            person.send("Input.dispatchDragEvent", {"type": kind, "x": 10, "y": 10, "data": dropped})
        page.wait_for_function("document.title === 'stored'")
    kept = [path for path in (tmp_path / "profile").rglob("*") if path.is_file() and holds_the_name(path.read_bytes())]
    assert any("IndexedDB" in str(path) for path in kept)
