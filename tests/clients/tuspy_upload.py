"""tuspy as a program, with a plan on stdin.

file, and either endpoint (begin) or url (go on) · options of Uploader · asynchronous: use AsyncUploader ·
stop_at: bytes after which the program ends · urls: a file in which tuspy keeps upload URLs between runs
"""

import asyncio
import json
import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

plan = json.load(sys.stdin)
client = TusClient(plan.get("endpoint") or plan["url"])
options = dict(plan.get("options", {}))
if "urls" in plan:
    options |= {"store_url": True, "url_storage": FileStorage(plan["urls"])}
make = client.async_uploader if plan.get("asynchronous") else client.uploader
uploader = make(plan["file"], url=plan.get("url"), metadata={"filename": "scan of Jürg.bin"}, **options)
print(json.dumps({"event": "started", "url": uploader.url, "offset": uploader.offset}), flush=True)
running = uploader.upload(stop_at=plan.get("stop_at"))
if plan.get("asynchronous"):
    asyncio.run(running)
print(json.dumps({"event": "done", "url": uploader.url, "offset": uploader.offset}), flush=True)
