"""Send one file by several tus PATCHes, or by one that is cut and resumed: what a client does that wants to be able to go on."""

import contextlib
import http.client
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dev.client import Client
from tests.bench.client import Plan, blocks

VERSION = {"Tus-Resumable": "1.0.0"}
ASK_AGAIN = 0.05  # seconds
PATIENCE = 120.0  # seconds without any byte taken or answered


class Cut(Exception):
    """The line broke, on purpose."""


def send(plan: Plan) -> tuple[int, str, float, float, str]:
    """Status, answer, wall, tail and error, as in client.Outcome; wall runs over all requests, from before the first."""
    client = Client(plan.port, Path(plan.authority_file), rate=plan.rate)
    offset, tail, began = 0, 0.0, time.monotonic()
    try:
        if plan.cut_at:
            offset = _cut_off(client, plan)
        # One connection for all appends, as browsers and HTTP libraries keep it.
        with contextlib.closing(_connection(client)) as line:
            while offset < plan.size:
                end = min(offset + (plan.append or plan.size), plan.size)
                reply, tail = _patch(line, plan, offset, end - offset, blocks(end, plan.seed, offset))
                answer = reply.read()
                if reply.status == 409:
                    # The tail of the cut request came in after our question.
                    offset = _where(client, plan)
                    continue
                if reply.status != 204:
                    return reply.status, answer.decode("utf-8", "replace"), 0.0, 0.0, f"at byte {offset}"
                offset = int(reply.headers["Upload-Offset"])
    except (OSError, http.client.HTTPException) as exc:
        return 0, "", 0.0, 0.0, type(exc).__name__
    return 204, "", time.monotonic() - began, tail, ""


def _connection(client: Client) -> http.client.HTTPSConnection:
    line = http.client.HTTPSConnection("localhost", client.port, context=client.context, timeout=PATIENCE)
    line.sock = client.context.wrap_socket(client.connect(), server_hostname="localhost")
    return line


def _cut_off(client: Client, plan: Plan) -> int:
    """Break the line in the middle of a PATCH of the whole; the offset at which to go on."""
    with contextlib.suppress(Cut), contextlib.closing(_connection(client)) as line:
        _patch(line, plan, 0, plan.size, _until_cut(plan))
    return _where(client, plan)


def _where(client: Client, plan: Plan) -> int:
    while (head := client.send("HEAD", plan.path, [], 0, {**plan.headers, **VERSION})).status == 423:
        time.sleep(ASK_AGAIN)
    return int(head.headers["Upload-Offset"])


def _until_cut(plan: Plan) -> Iterator[memoryview]:
    yield from blocks(plan.cut_at, plan.seed)
    raise Cut


def _patch(
    line: http.client.HTTPSConnection, plan: Plan, offset: int, length: int, body: Iterable[memoryview]
) -> tuple[http.client.HTTPResponse, float]:
    """The head of the answer, and the seconds from the last body byte to it."""
    fields = {**VERSION, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    line.putrequest("PATCH", plan.path)
    for name, value in {**plan.headers, **fields, "Content-Length": str(length)}.items():
        line.putheader(name, value)
    line.endheaders()
    for block in body:
        line.send(block)
    sent = time.monotonic()
    return line.getresponse(), time.monotonic() - sent
