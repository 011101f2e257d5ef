"""A real Chromium on the real stack, over a line that tests can slow down and break."""

import hashlib
import io
import os
import random
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

from dev.client import Client
from dev.stack import Stack
from tests import tokens
from tests.browser.line import Line
from tests.browser.upload_page import UploadPage
from tests.conftest import STATE
from tests.waiting import wait_for

ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run"
).split()
MIB = 1 << 20
BIG = 327 * MIB
PASS_PHRASE = "a-long-pass-phrase-of-theirs"
ZIP = b"PK\x03\x04"
READER = {"locale": "en-GB", "timezone_id": "Europe/Zurich", "ignore_https_errors": True}


@pytest.fixture(scope="session")
def playwright_driver() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


def launch(driver: Playwright, chromium: Path, edge_port: int, line: Line) -> Browser:
    """A browser that reaches the edge over `line` and knows nothing of that: names, origins and cookies are the real ones."""
    rule = f"--host-resolver-rules=MAP localhost:{edge_port} 127.0.0.1:{line.port}"
    return driver.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, rule])


def sign_in(page: Page, stack, username: str | None = None, password: str | None = None) -> None:
    page.goto(stack.url + "/accounts/login/")
    page.get_by_label("User name").fill(username or stack.username)
    page.get_by_label("Password").fill(password or stack.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(stack.url + "/")


def make_person(stack, username: str) -> None:
    """Who has no collection and no upload yet, and signs in with PASS_PHRASE."""
    names = {"USERNAME": username, "PASSWORD": PASS_PHRASE, "EMAIL": f"{username}@example.org"}
    env = {f"DJANGO_SUPERUSER_{name}": value for name, value in names.items()}
    stack.manage("web_app", "createsuperuser", "--noinput", env=env)


@pytest.fixture(scope="session")
def collections(stack) -> None:
    """Beside the stack's own, which takes anything."""
    stack.create_collection("archives", "--media-type", "application/zip", "--media-type", "application/dicom")
    stack.create_collection("small", "--max-size", str(1 << 20))


@pytest.fixture(scope="session")
def own_stack():
    """For tests that kill, starve and reconfigure: not the one that all tests share."""
    with Stack(STATE / "test" / f"browser-{time.strftime('%H%M%S')}-{os.getpid()}") as stack:
        stack.create_collection("archives", "--media-type", "application/zip")
        yield stack


@pytest.fixture(scope="session")
def own_session_line(own_stack) -> Iterator[Line]:
    with Line(own_stack.edge_port) as line:
        yield line


@pytest.fixture
def own_line(own_session_line) -> Iterator[Line]:
    yield own_session_line
    own_session_line.restore()


@pytest.fixture(scope="session")
def own_context(playwright_driver, chromium, own_stack, own_session_line) -> Iterator[BrowserContext]:
    with (
        launch(playwright_driver, chromium, own_stack.edge_port, own_session_line) as browser,
        browser.new_context(**READER) as context,
    ):
        sign_in(context.new_page(), own_stack)
        yield context


@pytest.fixture
def own_page(own_context, own_stack, own_line) -> Iterator[Page]:
    give_up_all(own_stack)
    page = own_context.new_page()
    faults = watch_for_faults(page)
    yield page
    page.close()
    assert not faults


@pytest.fixture
def services_with(own_stack):
    """Restart both listeners of the services tier with other settings; afterwards as before."""

    def restart(**env: str) -> None:
        for name in ("control", "uploads"):
            own_stack.stop_process(name)
            # Ready it need not be: what is not ready refuses, and that is what we are here for.
            own_stack.start_process(name, env, wait=False)
        own_stack.wait_until_healthy("uploads")
        client, token = Client(own_stack.edge_port, own_stack.keys.edge_ca), tokens.mint(own_stack)
        wait_for(lambda: client.send("GET", "/u", [], 0, {"Authorization": f"Bearer {token}"}).status == 200)

    yield restart
    restart()


@pytest.fixture(scope="session")
def session_line(stack) -> Iterator[Line]:
    with Line(stack.edge_port) as line:
        yield line


@pytest.fixture
def line(session_line) -> Iterator[Line]:
    yield session_line
    session_line.restore()


@pytest.fixture(scope="session")
def browser(playwright_driver, chromium, stack, session_line) -> Iterator[Browser]:
    with launch(playwright_driver, chromium, stack.edge_port, session_line) as browser:
        yield browser


@pytest.fixture(scope="session")
def signed_in(browser, stack, collections) -> dict:
    """The cookies of a signed-in browser."""
    with browser.new_context(**READER) as context:
        sign_in(context.new_page(), stack)
        return context.storage_state()


@pytest.fixture
def context(browser, signed_in, stack) -> Iterator[BrowserContext]:
    give_up_all(stack)
    with browser.new_context(storage_state=signed_in, viewport={"width": 1280, "height": 900}, **READER) as context:
        yield context


@pytest.fixture
def page(context) -> Iterator[Page]:
    page = context.new_page()
    faults = watch_for_faults(page)
    yield page
    assert not faults


@pytest.fixture
def uploads(page, stack, line) -> UploadPage:
    return UploadPage(page, stack.url).open()


def watch_for_faults(page: Page) -> list[str]:
    """Uncaught errors and broken content security policy. Refused requests are the subject of tests, not faults."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    def judge(message) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            faults.append(message.text)

    page.on("console", judge)
    return faults


@pytest.fixture(scope="session")
def big_file() -> Iterator[tuple[Path, str]]:
    """327 MiB that begin like a ZIP archive, no two MiB alike, and their SHA-256."""
    folder = STATE / "test" / f"big-{os.getpid()}"
    folder.mkdir(parents=True)
    path = folder / "series of site 4.zip"
    block, digest = random.Random(4).randbytes(1 << 20), hashlib.sha256()
    with path.open("wb") as file:
        for number in range(BIG >> 20):
            part = (ZIP + number.to_bytes(4, "big") + block)[: 1 << 20]
            digest.update(part)
            file.write(part)
    yield path, digest.hexdigest()
    shutil.rmtree(folder)


def an_archive(of: str = "") -> bytes:
    """Another one in each test, for the page asks about what was sent before."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("report.csv", f"site;value\n4;{of} {os.environ['PYTEST_CURRENT_TEST']}\n")
    return whole.getvalue()


def small(name: str, content: bytes | None = None) -> dict:
    """A file for the chooser that is on no disk."""
    return {"name": name, "mimeType": "application/octet-stream", "buffer": an_archive(name) if content is None else content}


@pytest.fixture
def varied(tmp_path) -> Callable[..., Path]:
    """Makes a file of that name and size, no two MiB alike, so that a piece in the wrong place or sent twice is seen."""

    def make(name: str, size: int, seed: int = 1) -> Path:
        path, block = tmp_path / name, random.Random(f"{tmp_path} {seed}").randbytes(1 << 20)
        with path.open("wb") as file:
            for number in range(-(-size // (1 << 20))):
                file.write((ZIP + number.to_bytes(4, "big") + block)[: min(1 << 20, size - (number << 20))])
        return path

    return make


@pytest.fixture
def sized(tmp_path) -> Callable[[str, int], Path]:
    """Makes a sparse file of that name and size that looks like a ZIP archive."""

    def make(name: str, size: int) -> Path:
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(ZIP + str(path).encode())
            file.truncate(size)
        return path

    return make


@pytest.fixture
def own(own_page, own_stack, own_line) -> Iterator[UploadPage]:
    """The page of a stack that may be tampered with; nothing is unfinished before, nor remembered after."""
    uploads = UploadPage(own_page, own_stack.url)
    own_page.on("dialog", lambda dialog: dialog.accept())
    forget_all(uploads)
    yield uploads.open()
    own_line.restore()
    own_page.unroute_all(behavior="ignoreErrors")
    forget_all(uploads)


def give_up_all(stack) -> None:
    """What earlier tests left unfinished is their person's wherever they sign in; now nothing is."""
    client = Client(stack.edge_port, stack.keys.edge_ca, stack.api_key)
    for grant in client.call("GET", "/api/v1/uploads?limit=100").json()["uploads"]:
        if grant["state"] == "issued":
            client.call("DELETE", f"/api/v1/uploads/{grant['id']}")


def forget_all(uploads: UploadPage) -> None:
    """From a page that writes nothing itself."""
    uploads.page.goto(uploads.url + "/uploads/")
    uploads.page.evaluate("() => new Promise(done => { indexedDB.deleteDatabase('sluice').onsuccess = done; })")


def value(row) -> int:
    return row.part("bar").evaluate("bar => bar.value")


@pytest.fixture
def paused(own, own_line, varied):
    """A function: a file of which something is safe, and that is paused now."""

    def begin(name="series.zip", size=48 * MIB, rate=6 * MIB):
        file = varied(name, size)
        own_line.rate = rate
        own.upload("archives", file)
        row = own.row(name)
        wait_for(lambda: value(row) > 9 * MIB)
        row.button("Pause").click()
        row.expect_state("paused")
        return file, row

    return begin
