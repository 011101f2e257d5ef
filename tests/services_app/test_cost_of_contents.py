"""What 64 KiB cost to judge grows with their number and no faster, whatever they are (ADR 0026)."""

import itertools
import time

import pytest

from services_app.uploads import errors
from services_app.uploads.content import envelopes, media

N = media.SNIFF_BYTES
MOST = 0.15  # seconds of CPU time; an honest file takes a tenth of that at most
SIGNS = [bytes([sign]) for sign in b'\n\r \t",;|<>!-[{:=#@a0\x00\xff']
BEGINNINGS = (b"", b"\xef\xbb\xbf\xff", b"\xff\xfe\x00\xd8", b"<!--", b"<?xml ", b"#!", b"\x05\x25", b"PK\x03\x04", b"H|")


def cost(head: bytes) -> float:
    """The least of up to three tries: on a busy machine the same work takes more of the processor, too."""
    return next((spent for _ in range(2) if (spent := _cost_once(head)) <= MOST), None) or _cost_once(head)


def _cost_once(head: bytes) -> float:
    began = time.process_time()
    try:
        envelopes.check(head)
        media.detect(head)
    except errors.Problem:
        pass
    return time.process_time() - began


def filled(beginning: bytes, repeated: bytes) -> bytes:
    return (beginning + repeated * (N // len(repeated) + 1))[:N]


@pytest.mark.parametrize("beginning", BEGINNINGS, ids=repr)
def test_no_sign_that_is_repeated_is_dear(beginning):
    cost(b"\xef\xbb\xbf\xff\n")  # libmagic reads its table once
    pairs = [a + b for a, b in itertools.product(SIGNS[:1] + SIGNS[4:17:2], (b"#", b"!", b"\n", b'"'))]
    dear = {each: spent for each in (*SIGNS, *pairs) if (spent := cost(filled(beginning, each))) > MOST}
    assert not dear


def test_nesting_and_lines_that_are_no_text_are_cheap():
    cases = [b"[" * (N // 2) + b"]" * (N // 2), b'{"a":' * 9000, b"<a>" * 9000, b"\n" * (N // 2) + b"\x00" * (N // 2)]
    assert not [case[:8] for case in cases if cost(case[:N]) > MOST]
