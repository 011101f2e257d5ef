"""The page names the right reason, thirty times of thirty.

Chromium reports some early answers to a big body as a bare network error, whatever the server does. So an upload begins with a
small request that brings the first 64 KiB.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from dev.client import Client
from tests import tokens
from tests.browser.upload_page import UploadPage
from tests.waiting import wait_for

TRIES = 30
MIB = 1 << 20


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


def open_page(page: Page, stack, script: str = "") -> UploadPage:
    page.add_init_script(script)
    return UploadPage(page, stack.url).open()


def expect_refusals(uploads: UploadPage, files: list[Path], code: str, said: str) -> None:
    for file in files:
        row = uploads.row(file.name)
        row.expect_refused(code)
        expect(row.part("state")).to_have_text(said)


def test_415_wrong_type(own_page, own_stack, thirty):
    uploads = open_page(own_page, own_stack)
    uploads.upload("archives", *thirty)
    expect_refusals(uploads, thirty, "type_refused", "This type of file is not accepted here")
    note = uploads.row(thirty[0].name).part("note").text_content()
    assert "By its content this is: file of unknown kind." in note and "This collection takes ZIP." in note


def test_413_too_large_for_the_services_tier(own_page, own_stack, services_with, thirty):
    services_with(UPLOAD_MAX_SIZE=str(MIB))
    uploads = open_page(own_page, own_stack)
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "too_large", "The file is too large")


def test_507_no_space(own_page, own_stack, services_with, thirty):
    services_with(UPLOAD_SPACE_RESERVE=str(1 << 60))
    uploads = open_page(own_page, own_stack)
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "no_space", "The storage is full")


def test_401_expired_token_after_asking_for_a_new_one_in_vain(own_page, own_stack, thirty):
    """`exp` is checked by the small request; a token that was good a moment ago is taken with the file."""
    uploads = open_page(own_page, own_stack, replace_token(tokens.expired(own_stack)))
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "token_expired", "The permission for this upload has run out")


def test_403_the_services_tier_does_not_know_the_collection(own_page, own_stack, thirty):
    uploads = open_page(own_page, own_stack, replace_token(tokens.mint(own_stack, collection="elsewhere")))
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "collection_unknown", "The storage does not know this collection yet")


def test_409_permission_already_used(own_page, own_stack, thirty):
    token = tokens.mint(own_stack)
    assert Client(own_stack.edge_port, own_stack.keys.edge_ca).put(token, b"another file").status == 201
    uploads = open_page(own_page, own_stack, replace_token(token))
    uploads.upload("demo", *thirty)
    expect_refusals(uploads, thirty, "already_committed", "This permission has already been used")


def test_503_store_absent_is_waited_out_and_said(own_page, own_stack, thirty):
    uploads = open_page(own_page, own_stack)
    with store_absent(own_stack):
        uploads.upload("demo", *thirty)
        for file in thirty[:-1]:
            row = uploads.row(file.name)
            row.expect_state("waiting")
            expect(row.part("state")).to_contain_text("The storage cannot be reached at the moment; trying again in")
            expect(row.part("pace")).to_contain_text("You need not do anything")
            row.cancel()
        last = uploads.row(thirty[-1].name)
        last.expect_state("waiting")
    last.expect_stored()


def test_408_a_line_that_fell_silent_is_given_up_and_gone_on_with(own_page, own_stack, own_line, services_with, sized):
    """The browser would go on waiting for its own network for many minutes; the services tier does not."""
    services_with(UPLOAD_IDLE_TIMEOUT="3")
    own_line.rate = 16 * MIB
    uploads = open_page(own_page, own_stack)
    file = sized("silent.zip", 96 * MIB)
    uploads.upload("demo", file)
    row = uploads.row(file.name)
    wait_for(lambda: row.part("bar").evaluate("bar => bar.value") > 0)
    own_line.silent = True
    row.expect_state("waiting")
    own_line.restore()
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
