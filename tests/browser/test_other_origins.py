"""A portal elsewhere uploads with tus-js-client in its own page: its origin is listed, or its people get nowhere (ADR 0012)."""

import hashlib
import http.server
import os
import threading
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from dev.client import Client
from dev.stack import Stack
from tests.browser.conftest import READER, launch, sign_in
from tests.browser.line import Line
from tests.conftest import STATE
from tests.waiting import wait_for

MIB = 1 << 20
SIZE = 24 * MIB + 12345
PORTAL = b"""<!doctype html><html lang="en"><title>Portal</title><link rel="icon" href="data:,"><script src="/tus.js"></script>
<output id="state"></output>
<script>
const file = new Blob([crypto.getRandomValues(new Uint8Array(65536))]);
const say = (text) => { document.getElementById("state").textContent = text; };
async function send(endpoint, size) {
    const content = new Blob(Array(Math.ceil(size / file.size)).fill(file)).slice(0, size);
    const digest = await crypto.subtle.digest("SHA-256", await content.arrayBuffer());
    window.sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    window.upload = new tus.Upload(content, {
        endpoint, chunkSize: 5 << 20, retryDelays: [100, 500, 1000, 1000, 2000], metadata: { filename: "scan.bin" },
        storeFingerprintForResuming: false,
        onSuccess: () => say("done"),
        onError: (error) => say(`failed with ${error.originalResponse?.getStatus() ?? 0}`),
    });
    upload.start();
}
async function ask(url, options = {}) {
    try {
        const answer = await fetch(url, options);
        return [answer.status, answer.headers.get("X-Request-Id")?.length ?? 0, (await answer.json()).code ?? ""];
    } catch (error) { return [0, 0, error.name]; }
}
</script>"""


@pytest.fixture(scope="module")
def portal(node_modules) -> Iterator[int]:
    """The portal's port, on which it answers under two names, and so with two origins."""
    script = (node_modules / "tus-js-client" / "dist" / "tus.min.js").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body, kind = (script, "text/javascript") if self.path == "/tus.js" else (PORTAL, "text/html")
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def listing_stack(portal) -> Iterator[Stack]:
    folder = STATE / "test" / f"origins-{time.strftime('%H%M%S')}-{os.getpid()}"
    with Stack(folder, origins=[f"http://127.0.0.1:{portal}"]) as stack:
        yield stack


@pytest.fixture(scope="module")
def portal_line(listing_stack) -> Iterator[Line]:
    with Line(listing_stack.edge_port) as line:
        yield line


@pytest.fixture
def portal_page(playwright_driver, chromium, listing_stack, portal_line, portal) -> Iterator[Page]:
    portal_line.restore()
    with (
        launch(playwright_driver, chromium, listing_stack.edge_port, portal_line) as browser,
        browser.new_context(**READER) as context,
    ):
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{portal}/")
        yield page


def new_url(stack: Stack) -> str:
    """What the portal's server would hand to its page."""
    grant = Client(stack.edge_port, stack.keys.edge_ca, stack.api_key).new_grant(stack.collection)
    return f"{stack.url}/u/{grant['token']}"


def stored(stack: Stack) -> set[str]:
    return {folder.name for folder in stack.nas.glob("collections/*/*/*/*")}


def test_a_listed_portal_uploads_and_goes_on_after_the_line_was_cut(portal_page, listing_stack, portal_line):
    before, url = stored(listing_stack), new_url(listing_stack)
    portal_line.rate = 8 * MIB
    portal_page.evaluate("([url, size]) => send(url, size)", [url, SIZE])
    wait_for(lambda: portal_line.carried > SIZE // 3)
    assert portal_line.cut(bodies_only=True) > 0
    expect(portal_page.locator("#state")).to_have_text("done", timeout=60_000)
    (upload_id,) = stored(listing_stack) - before
    sha256 = hashlib.sha256(listing_stack.stored(upload_id).read_bytes()).hexdigest()
    assert sha256 == portal_page.evaluate("window.sha256")
    assert portal_page.evaluate("upload.url").endswith(upload_id), "the page can read Location"


def test_a_listed_portal_can_read_states_and_refusals(portal_page, listing_stack):
    url = new_url(listing_stack)
    portal_page.evaluate("([url, size]) => send(url, size)", [url, MIB])
    expect(portal_page.locator("#state")).to_have_text("done")
    ask = "([url, options]) => ask(url, options)"
    assert portal_page.evaluate(ask, [url, {}]) == [200, 32, ""]
    assert portal_page.evaluate(ask, [url, {"method": "PUT", "body": "x"}]) == [409, 32, "already_committed"]
    assert portal_page.evaluate(ask, [url + "x", {}]) == [401, 32, "token_signature"]
    assert portal_page.evaluate(ask, [url + "/x", {}]) == [404, 32, "not_found"]
    # Not under /u: other pages cannot read it.
    assert portal_page.evaluate(ask, [listing_stack.url + "/api/v1/receipt-keys", {}]) == [0, 0, "TypeError"]


def test_a_portal_that_is_not_listed_gets_nowhere(portal_page, listing_stack, portal):
    before, url = stored(listing_stack), new_url(listing_stack)
    portal_page.goto(f"http://localhost:{portal}/")
    portal_page.evaluate("([url, size]) => send(url, size)", [url, MIB])
    expect(portal_page.locator("#state")).to_have_text("failed with 0", timeout=30_000)
    assert portal_page.evaluate("url => ask(url)", url) == [0, 0, "TypeError"]
    assert stored(listing_stack) == before
    # The positive control: the same URL in the listed page.
    portal_page.goto(f"http://127.0.0.1:{portal}/")
    portal_page.evaluate("([url, size]) => send(url, size)", [url, MIB])
    expect(portal_page.locator("#state")).to_have_text("done")


def test_a_token_of_our_own_page_is_worth_nothing_in_a_listed_portal(portal_page, listing_stack, portal):
    """Even in the very browser that it is bound to."""
    sign_in(portal_page, listing_stack)
    token = portal_page.evaluate(
        """async (collection) => {
            const headers = {"X-CSRFToken": document.querySelector("[name=csrfmiddlewaretoken]").value};
            const options = {method: "POST", headers: {...headers, "Content-Type": "application/json"}};
            const answer = await fetch("/api/v1/uploads", {...options, body: JSON.stringify({collection})});
            return (await answer.json()).token;
        }""",
        listing_stack.collection,
    )
    url = f"{listing_stack.url}/u/{token}"
    ask = "([url, options]) => ask(url, options)"
    own = "async (url) => (await fetch(url)).status"
    assert portal_page.evaluate(own, url) == 200, "the positive control: it is good in our own page"
    portal_page.goto(f"http://127.0.0.1:{portal}/")
    assert portal_page.evaluate(ask, [url, {}]) == [401, 32, "token_binding"]
    assert portal_page.evaluate(ask, [url, {"credentials": "include"}]) == [0, 0, "TypeError"]
