"""`./run demo`: everything on this machine until Ctrl-C."""

import os
import sys
import time
from pathlib import Path

from dev import nginx
from dev.paths import STATE
from dev.processes import StartFailed, end_in_order_when_told, is_free
from dev.stack import Stack


def main(port: int, origins: list[str]) -> int:
    if not is_free(port):
        print(f"Port {port} is in use (or not allowed). Choose another:  ./run demo --port {port + 1}", file=sys.stderr)
        return 2
    end_in_order_when_told()
    try:
        stack = Stack(STATE / "demo", port=port, origins=origins)
        shown = ".".join(map(str, nginx.version(stack.nginx_binary)))
        print(f"Starting nginx {shown}, web_app and services_app …", flush=True)
        with stack:
            print(_welcome(stack), flush=True)
            return _watch(stack)
    except StartFailed as failure:
        print(f"Could not start: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


def _watch(stack: Stack) -> int:
    """Until a process ends by itself; Ctrl-C comes out as KeyboardInterrupt."""
    while True:
        for service in stack.services.values():
            if not service.is_running():
                print(f"{service.name} ended. The end of {_near(service.log)}:\n{service.tail()}", file=sys.stderr)
                return 1
        time.sleep(1)


def _welcome(stack: Stack) -> str:
    ca, key = _near(stack.keys.edge_ca), _near(stack.api_key_file)
    return f"""
  page       {stack.url}   (the browser will warn: the certificate is from a demo authority)
  sign in    {stack.username} / {stack.password}
  operators  {stack.url}/admin/
  NAS        {_near(stack.nas)}
  logs       {_near(stack.logs)}

With curl: a token for the API key, then the file.

  TOKEN=$(curl -sS --cacert {ca} -H "Authorization: Bearer $(cat {key})" \\
    --json '{{"collection": "{stack.collection}"}}' {stack.url}/api/v1/uploads \\
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])')
  FILE=scan.zip
  curl --cacert {ca} -H "Authorization: Bearer $TOKEN" \\
    -H "Content-Disposition: attachment; filename=\\"$FILE\\"" -T "$FILE" {stack.url}/u

Ctrl-C stops everything."""


def _near(path: Path) -> str:
    """As one would type it here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
