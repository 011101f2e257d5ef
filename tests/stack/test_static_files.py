"""Static files as a browser gets them: small, for ever, and found at once."""

import gzip
import re

from dev.client import Client


def asked(stack, path, codings=""):
    return Client(stack.edge_port, stack.keys.edge_ca).send("GET", path, [], 0, {"Accept-Encoding": codings} if codings else {})


def test_a_static_file_comes_compressed_to_who_takes_that_and_may_be_kept_for_ever(stack):
    page = asked(stack, "/accounts/login/", "br, gzip")
    assert page.headers["Content-Encoding"] is None
    css = re.search(r'href="(/static/pages/base\.[0-9a-f]+\.css)"', page.body.decode())[1]
    plain, packed, smallest = (asked(stack, css, codings) for codings in ("", "gzip", "gzip, deflate, br, zstd"))
    assert [one.headers["Content-Encoding"] for one in (plain, packed, smallest)] == [None, "gzip", "br"]
    assert gzip.decompress(packed.body) == plain.body
    assert len(smallest.body) < len(packed.body) < len(plain.body) / 2
    for one in (plain, packed, smallest):
        assert "immutable" in one.headers["Cache-Control"] and "Accept-Encoding" in one.headers["Vary"]
        assert one.headers["Content-Type"].startswith("text/css")


def test_a_page_asks_for_every_module_that_it_needs_at_once(stack):
    page = asked(stack, "/verify/").body.decode()
    asked_for = set(re.findall(r'<link rel="modulepreload" href="([^"]+)">', page)) | set(re.findall(r'src="(/static/[^"]+\.js)"', page))
    needed, waiting = set(), set(re.findall(r'src="(/static/[^"]+\.js)"', page))
    while waiting:
        one = waiting.pop()
        needed.add(one)
        folder = one.rpartition("/")[0]
        text = asked(stack, one).body.decode()
        waiting |= {f"{folder}/{name}" for name in re.findall(r'from\s*"\./([^"]+)"', text)} - needed
    assert len(needed) > 5
    assert asked_for == needed


def test_a_browser_that_guesses_the_icon_is_led_to_it(stack):
    answer = asked(stack, "/favicon.ico")
    assert (answer.status, "max-age" in answer.headers["Cache-Control"]) == (302, True)
    assert asked(stack, answer.headers["Location"]).headers["Content-Type"] == "image/svg+xml"
