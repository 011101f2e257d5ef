"""Send one file by several tus PATCHes, or by one that is cut and resumed: what a client does that wants to be able to go on."""

import http.client
import time
from collections.abc import Iterator
from pathlib import Path

from dev.client import Client, Reply
from tests.bench.client import Plan, blocks

VERSION = {"Tus-Resumable": "1.0.0"}
ASK_AGAIN = 0.05  # seconds


class Cut(Exception):
    """The line broke, on purpose."""


def send(plan: Plan) -> tuple[int, str, float, float, str]:
    """Status, answer, wall, tail and error, as in client.Outcome; wall runs over all requests, from before the first."""
    client, offset, began = Client(plan.port, Path(plan.authority_file)), 0, time.monotonic()
    try:
        if plan.cut_at:
            offset = _cut_off(client, plan)
        reply = None
        while offset < plan.size:
            end = min(offset + (plan.append or plan.size), plan.size)
            reply = _patch(client, plan, offset, end, blocks(end, plan.seed, offset))
            if reply.status == 409:
                # The tail of the cut request came in after our question.
                offset = _where(client, plan)
                continue
            if reply.status != 204:
                return reply.status, reply.body.decode("utf-8", "replace"), 0.0, 0.0, f"at byte {offset}"
            offset = int(reply.headers["Upload-Offset"])
    except (OSError, http.client.HTTPException) as exc:
        return 0, "", 0.0, 0.0, type(exc).__name__
    return reply.status, "", time.monotonic() - began, reply.tail, ""


def _cut_off(client: Client, plan: Plan) -> int:
    """Break the line in the middle of a PATCH of the whole; the offset at which to go on."""
    try:
        _patch(client, plan, 0, plan.size, _until_cut(plan))
    except Cut:
        pass
    return _where(client, plan)


def _where(client: Client, plan: Plan) -> int:
    while (head := client.send("HEAD", plan.path, [], 0, {**plan.headers, **VERSION})).status == 423:
        time.sleep(ASK_AGAIN)
    return int(head.headers["Upload-Offset"])


def _until_cut(plan: Plan) -> Iterator[memoryview]:
    yield from blocks(plan.cut_at, plan.seed)
    raise Cut


def _patch(client: Client, plan: Plan, offset: int, end: int, body: Iterator[memoryview]) -> Reply:
    fields = {**VERSION, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    return client.send("PATCH", plan.path, body, end - offset, {**plan.headers, **fields})
