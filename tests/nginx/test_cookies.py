"""Cookies are an allow-list: ours by their exact names, each at most once. What imitates one of ours is refused. ADR 0025."""

import re
import time
from pathlib import Path

import pytest

from tests.nginx.rig import TOKEN

ROOT = Path(__file__).resolve().parents[2]

SESSION, BINDING = "__Host-sluice-session", "__Host-sluice-binding"
GOOD = f"{SESSION}=own; {BINDING}={'A' * 43}"

# As Chromium sends them for a sibling subdomain; Django strips what is white space in Unicode.
IMITATIONS = [
    *(f"{space}{SESSION}=theirs" for space in ("\u2000", "\u00a0", "\u3000", "\u0085", "\t", "  ", "\u2000\u2000")),
    *(f"{SESSION}{space}=theirs" for space in ("\u2000", "\u00a0", " ", "\t")),
    "\u2000__host-SLUICE-session=theirs",
    f"\u00a0{BINDING}={'B' * 43}",
    f"{SESSION}=theirs",
]
FOREIGN = [
    "_ga=GA1.2.3; theme=dark",
    "a__Host-sluice-binding=1",
    f"x{SESSION}=1; {SESSION}x=1",
    f"words={SESSION}=1",
    "gr\u00fc\u00dfe=1; \u2000other=2",
    "novalue",
    "=nameless",
]


def sent(cookie: str) -> str:
    """The rig writes headers as latin-1; browsers send UTF-8."""
    return cookie.encode().decode("latin-1")


@pytest.mark.parametrize("line", ["{good}; {other}", "{other}; {good}", "{good};{other}"])
def test_a_cookie_that_imitates_one_of_ours_is_refused(rig, line):
    for imitation in IMITATIONS:
        cookie = sent(line.format(good=GOOD, other=imitation))
        page, call = (rig.ask("POST", target, {"Cookie": cookie}, b"a=b") for target in ("/", "/api/v1/uploads"))
        assert (page.status, page.header("Content-Type")) == (400, "text/html; charset=utf-8"), ascii(imitation)
        assert b"cookie" in page.body
        assert (call.status, call.code()) == (400, "request_malformed")
    assert rig.web.requests == []


@pytest.mark.parametrize("line", ["{good}; {other}", "{other}; {good}"])
def test_cookies_of_others_disturb_nobody(rig, line):
    for foreign in FOREIGN:
        rig.reset()
        cookie = sent(line.format(good=GOOD, other=foreign))
        assert rig.ask("GET", "/", {"Cookie": cookie}).status == 200, ascii(foreign)
        assert rig.web.requests[0].header("Cookie") == cookie
        rig.ask("PUT", f"/u/{TOKEN}", {"Cookie": cookie}, b"12345")
        assert [seen.header("X-Upload-Binding") for seen in rig.control.requests] == ["A" * 43], ascii(foreign)


def test_under_u_only_the_exact_binding_counts(rig):
    imitation = f"\u00a0{BINDING}={'B' * 43}"
    for cookie in (f"{GOOD}; {imitation}", f"{imitation}; {GOOD}"):
        rig.reset()
        rig.ask("PUT", f"/u/{TOKEN}", {"Cookie": sent(cookie)}, b"12345")
        assert rig.control.requests[0].header("X-Upload-Binding") == "A" * 43


def test_a_malformed_body_is_not_told_as_a_cookie(rig):
    answer = rig.ask("POST", "/", {"Transfer-Encoding": "chunked", "Cookie": GOOD}, b"zz\r\n")
    assert (answer.status, answer.code()) == (400, "request_malformed")


def test_every_cookie_of_ours_is_looked_for_twice_by_its_name():
    """In the order of the code none is left out: `x = "__Host-sluice-…"` is how web_app names one."""
    code = "".join(path.read_text() for path in (ROOT / "web_app").rglob("*.py"))
    named = set(re.findall(r'= "__Host-sluice-([a-z-]+)"', code))
    (listed,) = re.findall(r"__Host-sluice-\(([a-z|-]+)\)=", (ROOT / "nginx/maps/cookies.conf").read_text())
    assert named == set(listed.split("|")) and len(named) == 5


def names(number: int) -> str:
    return ";".join(f"__Host-sluice-{chr(97 + n // 26 % 26)}{chr(97 + n % 26)}=" for n in range(number))


@pytest.mark.parametrize(
    "cookie",
    [
        names(227) + ";" * 4000,
        names(300) + ";" * 10_900,
        "__Host-sluice-session=;__Host-sluice-csrf=;__Host-sluice-binding=;__Host-sluice-device=;__Host-sluice-signed-out=" + "; " * 4000,
        "\x01" + "__Host-sluice-" * 580,
        "; ;_" * 2000,
    ],
    ids=["names", "more names", "ours", "imitations", "nothing"],
)
def test_cookies_that_are_long_to_look_through_hold_nobody_up(rig, cookie):
    """nginx looks before it counts how many an address may send, and does nothing else meanwhile: a quarter of a second for each."""
    started = time.monotonic()
    for _ in range(20):
        assert rig.ask("GET", "/healthz", {"Cookie": cookie}).status in (200, 400)
    assert time.monotonic() - started < 2.5
