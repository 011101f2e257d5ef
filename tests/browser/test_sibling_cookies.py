"""Another host of the same site sets a cookie that Django would take for the session's (ADR 0025): nobody becomes somebody else."""

import os
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dev.stack import Stack
from tests.browser.conftest import ARGUMENTS, PASS_PHRASE, READER, make_person, sign_in
from tests.conftest import STATE
from tests.nginx.rig import TREE, altered

OURS, SIBLING = "upload.hospital.test", "blog.hospital.test"
SESSION = "__Host-sluice-session"
IMITATION = f"\u2000{SESSION}"  # white space to Python, and no white space to a browser


@pytest.fixture(scope="module")
def named() -> Iterator[Stack]:
    """A stack with a name that has siblings, which `localhost` has not."""
    folder = STATE / "test" / f"siblings-{time.strftime('%H%M%S')}-{os.getpid()}"
    folder.mkdir(parents=True)
    both = ("server_name upload.example.org", f"server_name upload.example.org {OURS}")
    tree = altered(TREE, folder / "tree", {"site.example.conf": both})
    stack = Stack(folder / "stack", nginx_tree=tree, env={"web_app": {"ALLOWED_HOSTS": f"localhost,127.0.0.1,{OURS}"}})
    stack.url = f"https://{OURS}:{stack.edge_port}"
    with stack:
        make_person(stack, "attacker")
        yield stack


@pytest.fixture(scope="module")
def browser(playwright_driver, chromium):
    rule = "--host-resolver-rules=MAP *.hospital.test 127.0.0.1"
    with playwright_driver.chromium.launch(executable_path=chromium, args=[*ARGUMENTS, rule]) as browser:
        yield browser


def visit_sibling(page: Page, cookie: str) -> None:
    """A page there, whose script sets this cookie for the whole site."""
    page.route(f"https://{SIBLING}/", lambda route: route.fulfill(body="<!doctype html><title>Blog</title>", content_type="text/html"))
    page.goto(f"https://{SIBLING}/")
    page.evaluate("cookie => { document.cookie = `${cookie}; Domain=hospital.test; Path=/; Secure`; }", cookie)


def names(page: Page) -> list[str]:
    return [cookie["name"] for cookie in page.context.cookies()]


def test_a_session_that_a_sibling_hands_out_makes_nobody_somebody_else_and_the_page_says_what_is_wrong(browser, named):
    with browser.new_context(**READER) as theirs, browser.new_context(**READER) as own:
        sign_in(theirs.new_page(), named, "attacker", PASS_PHRASE)
        (key,) = [cookie["value"] for cookie in theirs.cookies() if cookie["name"] == SESSION]
        page = own.new_page()
        sign_in(page, named)
        visit_sibling(page, f"{SESSION}={key}")
        assert names(page).count(SESSION) == 1, "the plain name is the browser's to refuse"
        visit_sibling(page, f"{IMITATION}={key}")
        assert IMITATION in names(page), "this one the browser takes"

        for path in ("/", "/uploads/", "/accounts/login/"):
            answer = page.goto(named.url + path)
            assert answer.status == 400
            expect(page.get_by_role("heading")).to_have_text("A cookie that is not ours")
            expect(page.locator("body")).to_contain_text("Delete the cookies of this site and of its neighbours in your browser")
            expect(page.locator("body")).not_to_contain_text("attacker")
        ask = "async () => { const answer = await fetch('/api/v1/uploads'); return [answer.status, (await answer.json()).code]; }"
        told = page.evaluate(ask)
        assert told == [400, "request_malformed"]

        own.clear_cookies(name=IMITATION)
        page.goto(named.url + "/")
        expect(page.get_by_role("button", name="Sign out")).to_be_visible()
        assert SESSION in names(page), "and is who they were"
