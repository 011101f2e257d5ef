"""aiotus as a program, with a plan on stdin.

files (several: parallel parts, then concatenation), and either endpoint (begin) or url (go on) · chunk: bytes
"""

import asyncio
import contextlib
import json
import logging
import sys

import aiohttp
import aiotus
import yarl
from aiotus.core import upload_buffer

logging.basicConfig(level=logging.INFO)
plan = json.load(sys.stdin)
chunk = plan.get("chunk", 4 << 20)
metadata = {"filename": "scan of Jürg.bin".encode()}


async def run(files) -> yarl.URL | None:
    if "url" in plan:
        async with aiohttp.ClientSession() as session:
            await upload_buffer(session, yarl.URL(plan["url"]), files[0], chunksize=chunk)
        return yarl.URL(plan["url"])
    if len(files) > 1:
        return await aiotus.upload_multiple(plan["endpoint"], files, metadata, chunksize=chunk)
    return await aiotus.upload(plan["endpoint"], files[0], metadata, chunksize=chunk)


with contextlib.ExitStack() as stack:
    url = asyncio.run(run([stack.enter_context(open(name, "rb")) for name in plan["files"]]))
print(json.dumps({"event": "failed"} if url is None else {"event": "done", "url": str(url)}), flush=True)
