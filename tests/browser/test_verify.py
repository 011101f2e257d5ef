"""Anyone can verify a receipt, and a file against it, in a browser and with nothing sent."""

import base64
import hashlib
import json
import os
import re

import pytest
from playwright.sync_api import expect

from dev.client import Client
from tests import tokens
from tests.browser.conftest import READER

MIB = 1 << 20
CONTENT = b"PK\x03\x04" + b"\x00" * 300 + b"CANARY-verify" * 40_000


@pytest.fixture(scope="module")
def receipt(stack) -> bytes:
    answer = Client(stack.edge_port, stack.keys.edge_ca).put(tokens.mint(stack), CONTENT)
    return answer.json()["receipt"].encode()


@pytest.fixture
def verifier(browser, stack):
    """The page, to somebody who has never signed in; `sent` collects what the browser asked for."""
    with browser.new_context(**READER) as context:
        page = context.new_page()
        page.sent = []
        page.on("request", lambda request: page.sent.append((request.method, request.url, request.post_data)))
        page.goto(stack.url + "/verify/")
        expect(page.locator("#file-input")).to_be_enabled()
        yield page


def add(page, name: str, content: bytes) -> None:
    page.set_input_files("#file-input", {"name": name, "mimeType": "application/octet-stream", "buffer": content})


def changed(receipt: bytes, **claims) -> bytes:
    head, body, signature = receipt.decode().split(".")
    told = json.loads(_decoded(body)) | claims
    return ".".join((head, _encoded(json.dumps(told).encode()), signature)).encode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_receipt_and_its_file_are_verified_and_neither_leaves_the_browser(verifier, receipt, screenshots):
    add(verifier, "receipt-1.jws", receipt + b"\n")
    expect(verifier.locator("#receipt-verdict")).to_contain_text("This receipt is genuine")
    expect(verifier.locator("#receipt-facts")).to_contain_text(hashlib.sha256(CONTENT).hexdigest())
    expect(verifier.locator("#file-verdict")).to_contain_text("No file compared yet")
    add(verifier, "scan.zip", CONTENT)
    expect(verifier.locator("#file-verdict")).to_contain_text("This is the file that was stored")
    verifier.screenshot(path=screenshots / "verify-desktop-light.png", full_page=True)
    assert {method for method, _, _ in verifier.sent} == {"GET"} and not any(body for _, _, body in verifier.sent)
    assert not any("scan" in url for _, url, _ in verifier.sent)


@pytest.mark.parametrize(
    ("content", "told"),
    [(CONTENT[:-1] + b"!", "other contents"), (CONTENT + b"!", "the receipt is about"), (b"", "the receipt is about")],
    ids=["changed", "longer", "empty"],
)
def test_another_file_is_told_apart(verifier, receipt, content, told):
    add(verifier, "scan.zip", content)
    expect(verifier.locator("#file-verdict")).to_contain_text("has been read")
    add(verifier, "receipt-1.jws", receipt)
    expect(verifier.locator("#file-verdict")).to_contain_text("This is not the file of the receipt")
    expect(verifier.locator("#file-verdict")).to_contain_text(told)


def test_what_is_no_receipt_of_ours_proves_nothing(verifier, receipt, stack):
    head, body, signature = receipt.decode().split(".")
    other_key = _encoded(json.dumps({**json.loads(_decoded(head)), "kid": "x" * 43}).encode())
    other_type = _encoded(json.dumps({**json.loads(_decoded(head)), "typ": "upload+jwt"}).encode())
    none = _encoded(json.dumps({**json.loads(_decoded(head)), "alg": "none"}).encode())
    cases = {
        changed(receipt, size=1): "does not fit",
        f"{head}.{body}.{signature[:-4]}AAAA".encode(): "does not fit",
        receipt[: len(receipt) // 2]: "cut off",
        f"{other_key}.{body}.{signature}".encode(): "has not published",
        f"{other_type}.{body}.{signature}".encode(): "another kind",
        f"{none}.{body}.{signature}".encode(): "another kind",
        tokens.mint(stack).encode(): "another kind",
    }
    for text, told in cases.items():
        add(verifier, "receipt-1.jws", text)
        expect(verifier.locator("#receipt-verdict")).to_have_attribute("data-state", "bad")
        expect(verifier.locator("#receipt-verdict")).to_contain_text(told)
        expect(verifier.locator("#receipt-facts")).to_be_hidden()


def test_several_receipts_at_once_get_no_verdict_that_could_be_taken_for_anothers(verifier, receipt):
    forged = {"name": "forged.jws", "mimeType": "", "buffer": changed(receipt, size=1)}
    genuine = {"name": "receipt-1.jws", "mimeType": "", "buffer": receipt}
    verifier.set_input_files("#file-input", [forged, genuine])
    expect(verifier.get_by_text("more than one receipt")).to_be_visible()
    expect(verifier.locator("#result")).to_be_hidden()
    verifier.set_input_files("#file-input", forged)
    expect(verifier.locator("#receipt-verdict")).to_contain_text("“forged.jws”")
    expect(verifier.get_by_text("more than one receipt")).to_be_hidden()


def test_the_digest_of_a_file_that_comes_in_pieces_is_sha_256(verifier):
    for size in (0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000, 100_003):
        content = os.urandom(size)
        for step in (1, 7, 64, 1 << 16) if size < 2000 else (64, 1 << 16):
            told = verifier.evaluate(
                """async ([bytes, step]) => {
                  const { Sha256 } = await import('/static/pages/sha256.js');
                  const sha256 = new Sha256();
                  for (let at = 0; at < bytes.length; at += step) sha256.update(Uint8Array.from(bytes.slice(at, at + step)));
                  return sha256.hex();
                }""",
                [list(content), step],
            )
            assert told == hashlib.sha256(content).hexdigest(), (size, step)


def test_the_page_is_found_from_every_other_one(stack, browser):
    with browser.new_context(**READER) as context:
        page = context.new_page()
        page.goto(stack.url + "/accounts/login/")
        page.get_by_role("link", name="Verify a receipt").click()
        expect(page).to_have_url(re.compile("/verify/$"))
