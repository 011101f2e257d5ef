"""Whatever happens on the way, an upload ends in one object with the right digest, and little is sent twice.

"Little": less than two appends, by what the line carried.
"""

import hashlib
import json
import os
import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests import tokens
from tests.browser.conftest import ARGUMENTS, READER, sign_in, watch_for_faults
from tests.browser.line import Line
from tests.browser.test_interruptions import objects
from tests.browser.upload_page import Row, UploadPage
from tests.waiting import wait_for

MIB = 1 << 20
SIZE = 48 * MIB
NAME = "series of Änne Müller.zip"
# TLS, headers, questions about the state, and the page itself after a reload.
OVERHEAD = 2 * MIB

WATCH_APPENDS = """
{
    const plain = window.fetch;
    window.fetch = (url, options) => {
        if (options?.method === 'PATCH') window.appended(options.body.size);
        return plain(url, options);
    };
}
"""


class Uploading:
    """One file on its way in `page`, and what is checked at its end."""

    def __init__(self, page: Page, stack, line: Line, file, collection: str = "archives"):
        self.page, self.stack, self.line, self.file, self.collection = page, stack, line, file, collection
        self.appends: list[int] = []
        self.before = objects(stack)
        self.uploads = UploadPage(page, stack.url)
        self.watch(page)

    def watch(self, page: Page) -> None:
        page.expose_function("appended", lambda size: self.appends.append(size))
        page.add_init_script(WATCH_APPENDS)
        page.on("dialog", lambda dialog: dialog.accept())

    @property
    def row(self) -> Row:
        return self.uploads.row(self.file.name)

    def begin(self) -> "Uploading":
        """Returns when something is safe, and more is on its way."""
        self.uploads.open()
        self.line.restore()
        self.line.rate = 5 * MIB
        self.uploads.upload(self.collection, self.file)
        self.wait_for_bytes(10 * MIB)
        return self

    def wait_for_bytes(self, count: int) -> None:
        wait_for(lambda: self.row.part("bar").evaluate("bar => bar.value") > count)

    def come_back(self, page: Page | None = None) -> None:
        """The page anew, and the same file again; nobody says which collection it was for."""
        if page is not None:
            self.page, self.uploads = page, UploadPage(page, self.stack.url)
            self.watch(page)
        self.uploads.open()
        listed = self.page.locator("#unfinished li")
        expect(listed).to_have_count(1)
        expect(listed).to_contain_text("48 MiB for")
        self.uploads.add(self.file)
        expect(self.page.locator("#unfinished")).to_be_hidden()

    def end(self) -> None:
        self.line.rate = None
        self.row.expect_stored()
        sha256 = hashlib.sha256(self.file.read_bytes()).hexdigest()
        assert self.row.digest == sha256
        made = objects(self.stack) - self.before
        assert len(made) == 1
        stored = max(made.pop().iterdir(), key=lambda path: path.stat().st_size)
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == sha256
        twice = self.line.carried - SIZE - OVERHEAD
        assert twice < 2 * max(self.appends), f"{twice / MIB:.1f} MiB sent twice; appends of {self.appends}"
        assert nothing_kept(self.page)


def nothing_kept(page: Page) -> bool:
    return wait_for(lambda: page.evaluate("async () => (await indexedDB.databases()).length === 0"))


@pytest.fixture
def uploading(own_page, own_stack, own_line, varied) -> Uploading:
    return Uploading(own_page, own_stack, own_line, varied(NAME, SIZE)).begin()


def expect_waiting(uploading: Uploading, why: str = "Connection lost") -> None:
    uploading.row.expect_state("waiting")
    said = rf"^[1-9]\d*\.\d of 48 MiB are safe\. {why}; trying again (in \d+ s|now)$"
    expect(uploading.row.part("state")).to_have_text(re.compile(said))


def test_nginx_stopped_and_started(uploading, own_stack):
    own_stack.stop_process("nginx")
    expect_waiting(uploading)
    own_stack.start_process("nginx")
    uploading.end()


def test_the_connection_is_cut(uploading):
    assert uploading.line.cut() >= 1
    uploading.end()


def test_a_black_hole_of_one_minute(uploading):
    """Nothing is refused and nothing answered. The page notices, says so, and goes on trying until the line is back."""
    uploading.line.hole = True
    began = time.monotonic()
    expect_waiting(uploading)
    seen = set()
    wait_for(lambda: seen.add(uploading.row.element.get_attribute("data-state")) or time.monotonic() - began > 60, 70)
    assert {"waiting", "settling"} <= seen <= {"waiting", "settling", "sending"}
    uploading.line.hole = False
    uploading.end()


@pytest.mark.parametrize("how", ["restarted", "killed"])
def test_the_process_that_takes_the_bytes_is(uploading, own_stack, how):
    if how == "killed":
        own_stack.kill("uploads")
    else:
        own_stack.stop_process("uploads")
    expect_waiting(uploading, "(Connection lost|The server is restarting|Something failed on the server)")
    own_stack.start_process("uploads")
    uploading.end()


def test_the_control_process_is_killed_too(uploading, own_stack):
    for name in ("uploads", "control"):
        own_stack.kill(name)
    expect_waiting(uploading, "(Connection lost|The server is restarting|Something failed on the server)")
    for name in ("control", "uploads"):
        own_stack.start_process(name)
    uploading.end()


def test_the_page_is_reloaded(uploading):
    uploading.come_back()
    uploading.end()


def test_the_browser_is_closed_and_comes_back(playwright_driver, chromium, own_stack, own_line, varied, tmp_path):
    def start():
        rule = f"--host-resolver-rules=MAP localhost:{own_stack.edge_port} 127.0.0.1:{own_line.port}"
        options = {"executable_path": chromium, "args": [*ARGUMENTS, rule], **READER}
        return playwright_driver.chromium.launch_persistent_context(tmp_path / "profile", **options)

    file = varied(NAME, SIZE)
    context = start()  # not in a `with`: there is nothing left to close of a browser that was killed
    sign_in(context.new_page(), own_stack)
    uploading = Uploading(context.new_page(), own_stack, own_line, file).begin()
    person = uploading.page.locator("#uploader").get_attribute("data-person")
    end_of_browser(context, tmp_path / "profile")
    kept = [
        path.read_bytes() for path in (tmp_path / "profile").rglob("*") if path.is_file() and "IndexedDB" in str(path)
    ]
    assert any(person.encode() in content or person.encode("utf-16-le") in content for content in kept), (
        "the positive control"
    )
    for name in ("series of", "Müller", file.name):
        assert not any(
            name.encode(encoding) in content for content in kept for encoding in ("utf-8", "utf-16-le", "latin-1")
        )
    with start() as context:
        page = context.new_page()
        faults = watch_for_faults(page)
        sign_in(page, own_stack)
        uploading.come_back(page)
        uploading.end()
        assert not faults


def end_of_browser(context, profile) -> None:
    """SIGKILL to the browser that has this profile: nothing is flushed or said goodbye to."""
    import signal
    from pathlib import Path

    mine = f"--user-data-dir={profile}".encode()
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mine in command and not any(part.startswith(b"--type=") for part in command):
                os.kill(int(process.name), signal.SIGKILL)


def test_the_token_expires(own_page, own_stack, own_line, varied):
    """web_app's own is swapped for one that the services tier takes for some seconds more (its leeway is 30 s)."""
    renewed = []

    def hand_out(route) -> None:
        answer = route.fetch()
        grant = answer.json()
        now = int(time.time())
        times = {"iat": now - 60, "nbf": now - 60, "start_by": now - 25, "exp": now - 25}
        person = own_page.locator("#uploader").get_attribute("data-person")
        token = tokens.mint(own_stack, jti=grant["id"], sub=person, collection="archives", length=SIZE, **times)
        route.fulfill(
            response=answer, body=json.dumps({**grant, "token": token, "upload_url": f"{own_stack.url}/u/{token}"})
        )

    own_page.route("**/api/v1/uploads", hand_out)
    own_page.on("request", lambda request: renewed.append(1) if request.url.endswith("/token") else None)
    uploading = Uploading(own_page, own_stack, own_line, varied(NAME, SIZE)).begin()
    wait_for(lambda: own_page.evaluate("true") and renewed)  # events come in with answers
    uploading.end()


def test_the_storage_fills_up_on_the_way(uploading, services_with):
    """That is for a person to cure; what is safe stays, and the page goes on there when it is told to."""
    services_with(UPLOAD_SPACE_RESERVE=str(1 << 60))
    uploading.row.expect_refused("no_space")
    expect(uploading.row.part("state")).to_have_text("The storage is full")
    services_with()
    uploading.row.button("Try again").click()
    uploading.row.expect_stored_at_last()
    uploading.end()


def test_another_tab_leaves_it_alone_until_the_first_one_is_closed(uploading, own_context, own_stack):
    with own_context.new_page() as other:
        UploadPage(other, own_stack.url).open()
        expect(other.get_by_label("demo")).to_be_visible()
        expect(other.locator("#unfinished li")).to_have_count(0)
        uploading.page.close()
        uploading.come_back(other)
        uploading.end()


def test_another_file_of_the_same_name_and_size_is_refused_and_nothing_is_mixed(uploading, varied):
    page = uploading.page
    uploading.uploads.open()
    other = varied("other.zip", SIZE, seed=2)
    other.rename(uploading.file)
    uploading.uploads.choose("archives")
    uploading.uploads.add(uploading.file)
    uploading.row.expect_refused("another_file")
    expect(uploading.row.part("state")).to_have_text("This is not the file that was begun")
    uploading.row.button("Remove").click()
    assert objects(uploading.stack) == uploading.before
    uploading.uploads.discard()
    expect(page.locator("#unfinished")).to_be_hidden()
    assert nothing_kept(page)
    uploading.line.restore()
    uploading.uploads.add(uploading.file)
    uploading.end()


def test_a_file_that_is_swapped_while_it_is_sent_is_noticed(uploading, varied):
    original = uploading.file.read_bytes()
    modified = uploading.file.stat()
    varied("other.zip", SIZE, seed=2).rename(uploading.file)
    uploading.row.expect_refused("file_unreadable")
    assert objects(uploading.stack) == uploading.before
    uploading.uploads.add(uploading.file)
    expect(uploading.page.locator("[data-part=code]", has_text="another_file")).to_be_visible()
    uploading.page.get_by_role("button", name=re.compile("^Remove")).click()
    uploading.file.write_bytes(original)
    os.utime(uploading.file, ns=(modified.st_atime_ns, modified.st_mtime_ns))
    uploading.uploads.add(uploading.file)
    uploading.row.expect_state("sending", "confirming", "stored")
    uploading.end()


def test_signing_out_forgets_what_is_unfinished(own_stack, own_line, own_context, varied):
    context = own_context.browser.new_context(**READER)
    page = context.new_page()
    sign_in(page, own_stack)
    uploading = Uploading(page, own_stack, own_line, varied(NAME, SIZE)).begin()
    uploading.line.restore()
    assert page.evaluate("async () => (await indexedDB.databases()).length") == 1
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog", name="1 file is not finished. Sign out?").get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")
    assert nothing_kept(page)
    context.close()
