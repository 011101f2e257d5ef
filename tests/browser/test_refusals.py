"""The page names the right reason, thirty times of thirty.

Chromium reports some early answers to a big body as a bare network error, whatever the server does. So the page asks with a small
request first, and after an error asks what happened. Both ways are tried: "asked" is the page as it is; "sent" makes the small
request say yes, as it would when the reason came up a moment later, so that 300 MiB are on their way when the refusal comes.
"""

import os
import shutil
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dev.client import Client
from dev.stack import Stack
from tests import tokens
from tests.browser.conftest import READER, launch, sign_in, watch_for_faults
from tests.browser.line import Line
from tests.browser.upload_page import UploadPage
from tests.conftest import STATE
from tests.waiting import wait_for

TRIES = 30
MIB = 1 << 20
BOTH_WAYS = pytest.mark.parametrize("way", ["asked", "sent"])

SKIP_THE_SMALL_REQUEST = """
const plainFetch = window.fetch;
window.fetch = (...request) => String(request[0]).endsWith('/check')
    ? Promise.resolve(new Response(null, {status: 204})) : plainFetch(...request);
"""


@pytest.fixture(scope="module")
def own_stack(request):
    """These tests starve and reconfigure the services tier, so it is not the one that all tests share."""
    state = STATE / "test" / f"refusals-{time.strftime('%H%M%S')}-{os.getpid()}"
    with Stack(state) as stack:
        stack.create_collection("archives", "--media-type", "application/zip")
        yield stack
    # After a failure the logs are worth a look; the stored files are only large.
    shutil.rmtree(state / "nas" if request.session.testsfailed else state, ignore_errors=True)


@pytest.fixture(scope="module")
def own_line(own_stack):
    with Line(own_stack.edge_port) as line:
        yield line


@pytest.fixture(scope="module")
def own_context(playwright_driver, chromium, own_stack, own_line):
    with (
        launch(playwright_driver, chromium, own_stack.edge_port, own_line) as browser,
        browser.new_context(**READER) as context,
    ):
        sign_in(context.new_page(), own_stack)
        yield context


@pytest.fixture
def own_page(own_context):
    page = own_context.new_page()
    faults = watch_for_faults(page)
    yield page
    page.close()
    assert not faults


@pytest.fixture(scope="module")
def thirty(tmp_path_factory) -> list[Path]:
    """Thirty names of one sparse file of 300 MiB without a type."""
    folder = tmp_path_factory.mktemp("thirty")
    first = folder / "00.bin"
    with first.open("wb") as file:
        file.truncate(300 * MIB)
    for number in range(1, TRIES):
        (folder / f"{number:02}.bin").hardlink_to(first)
    return sorted(folder.iterdir())


def open_page(page: Page, stack, way: str, script: str = "") -> UploadPage:
    page.add_init_script((SKIP_THE_SMALL_REQUEST if way == "sent" else "") + script)
    return UploadPage(page, stack.url).open()


def expect_refusals(uploads: UploadPage, files: list[Path], code: str, said: str) -> None:
    for file in files:
        row = uploads.row(file.name)
        row.expect_refused(code)
        expect(row.part("state")).to_have_text(said)


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


@BOTH_WAYS
def test_415_wrong_type(own_page, own_stack, thirty, way):
    uploads = open_page(own_page, own_stack, way)
    uploads.upload("archives", *thirty)
    expect_refusals(uploads, thirty, "type_refused", "This type of file is not accepted here")
    assert "This collection takes ZIP." in uploads.row(thirty[0].name).part("note").text_content()


@BOTH_WAYS
def test_413_too_large_for_the_services_tier(own_page, own_stack, services_with, thirty, way):
    services_with(UPLOAD_MAX_SIZE=str(MIB))
    uploads = open_page(own_page, own_stack, way)
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "too_large", "The file is too large")


@BOTH_WAYS
def test_507_no_space(own_page, own_stack, services_with, thirty, way):
    services_with(UPLOAD_SPACE_RESERVE=str(1 << 60))
    uploads = open_page(own_page, own_stack, way)
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "no_space", "The storage is full")


def test_401_expired_token_after_asking_for_a_new_one_in_vain(own_page, own_stack, thirty):
    """`exp` is checked by the small request; a token that was good a moment ago is taken with the file."""
    uploads = open_page(own_page, own_stack, "asked", replace_token(tokens.expired(own_stack)))
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "token_expired", "The permission for this upload has run out")


@BOTH_WAYS
def test_409_permission_already_used(own_page, own_stack, thirty, way):
    token = tokens.mint(own_stack)
    assert Client(own_stack.edge_port, own_stack.keys.edge_ca).put(token, b"another file").status == 201
    uploads = open_page(own_page, own_stack, way, replace_token(token))
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "already_committed", "This permission has already been used")


@BOTH_WAYS
def test_503_store_absent_is_waited_out_and_said(own_page, own_stack, thirty, way):
    uploads = open_page(own_page, own_stack, way)
    with store_absent(own_stack):
        uploads.upload("demo", *thirty)
        for file in thirty[:-1]:
            row = uploads.row(file.name)
            row.expect_state("waiting")
            expect(row.part("state")).to_have_text("The storage cannot be reached at the moment")
            expect(row.part("pace")).to_contain_text("You need not do anything: the next try is in")
            row.button("Cancel").click()
        last = uploads.row(thirty[-1].name)
        last.expect_state("waiting")
    last.expect_stored()


def test_408_a_line_that_fell_silent_is_given_up_and_said(own_page, own_stack, own_line, services_with, sized):
    """The browser would go on waiting for its own network for many minutes; the services tier does not."""
    services_with(UPLOAD_IDLE_TIMEOUT="3")
    own_line.rate = 16 * MIB
    uploads = open_page(own_page, own_stack, "asked")
    file = sized("silent.zip", 96 * MIB)
    uploads.upload("demo", file)
    row = uploads.row(file.name)
    wait_for(lambda: row.part("bar").evaluate("bar => bar.value") > 0)
    own_line.silent = True
    row.expect_refused("too_slow")
    own_line.restore()
    row.button("Try again").click()
    row.expect_stored_at_last()


def test_413_too_large_for_the_collection_is_said_by_web_app_alone(uploads, sized):
    file = sized("3 MiB.zip", 3 * MIB)
    uploads.upload("small", file)
    row = uploads.row(file.name)
    row.expect_refused("size_over_limit")
    assert "It has 3 MiB; this collection takes at most 1 MiB for one file." in row.part("note").text_content()
    assert row.button("Try again").count() == 0


def replace_token(token: str) -> str:
    """Every permission that web_app gives to the page carries `token` instead."""
    return f"""
    {{
        const plain = window.fetch;
        window.fetch = async (...request) => {{
            const response = await plain(...request);
            if (request[0] !== '/api/v1/uploads' || !response.ok) return response;
            const grant = await response.json();
            return new Response(JSON.stringify({{...grant, upload_url: location.origin + '/u/{token}'}}), {{status: 201}});
        }};
    }}
    """


class store_absent:
    """The NAS is not mounted: its sentinel is gone."""

    def __init__(self, stack):
        self._sentinel = next(path for path in stack.nas.iterdir() if path.is_file())
        self._aside = stack.state / "sentinel-aside"

    def __enter__(self):
        self._sentinel.rename(self._aside)

    def __exit__(self, *_exc):
        self._aside.rename(self._sentinel)
