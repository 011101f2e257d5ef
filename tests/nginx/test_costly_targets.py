"""Whatever stands in a request's target, nginx reads it at once: it does nothing else meanwhile, and no limit counts before (maps/)."""

import time

import pytest

LONG = 15_000  # bytes; a request line has room for 16 KiB
PIECES = ["a", "a;", ".", "/.", "/a", "%25", "%", ".%2e", ":1", "~="]


@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_long_target_of_any_make_holds_nobody_up(rig, method):
    for piece in PIECES:
        for begins in ("/", "/u/", "/u/a/"):
            for ends in ("", "/", "?", "/x"):
                target = begins + (piece * LONG)[:LONG] + ends
                rig.reset()
                started = time.monotonic()
                for headers in ({}, {}, {}, {"Authorization": "Bearer a.b.c"}):
                    rig.ask(method, target, headers)
                assert time.monotonic() - started < 0.3, (begins, piece, ends)
