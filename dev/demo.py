"""`./run demo`: everything on this machine until Ctrl-C."""

import os
import shlex
import sys
import textwrap
import time
from pathlib import Path

from dev import nginx
from dev.paths import STATE
from dev.processes import StartFailed, end_in_order_when_told
from dev.stack import Stack

RECONCILE_EVERY = 5  # seconds: who looks at "Your uploads" after a curl without a receipt handed in shall see it

# As in README.md, to the letter (a test compares them). `--json` would be shorter, but is newer than curl 7.76.
CURL_LINES = r"""
FILE=scan.zip
KEY=slk_…
ask() { ANSWER=$(curl -S --fail-with-body "$@") || { printf '%s\n' "$ANSWER" >&2; return 1; }; }
field() { printf %s "$ANSWER" | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
name() { python3 -c 'import os, sys, urllib.parse as u; print(u.quote(os.fsencode(sys.argv[1]), ""))' "${FILE##*/}"; }
plain() { [ -f "$FILE" ] && [ -r "$FILE" ] || { printf 'FILE is not a file that can be read: %s\n' "$FILE" >&2; return 1; }; }

plain &&
ask -s -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  -d '{"collection": "mri-2026"}' https://upload.example.org/api/v1/uploads &&
ask -H "Authorization: Bearer $(field token)" -H "Content-Disposition: attachment; filename*=UTF-8''$(name)" \
  -g -T "$FILE" https://upload.example.org/u &&
RECEIPT=$(field receipt) &&
ask -s -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  -d "{\"receipt\": \"$RECEIPT\"}" https://upload.example.org/api/v1/receipts &&
echo "$RECEIPT"
""".strip()


def main(port: int, origins: list[str]) -> int:
    """`port` was free a moment ago (dev/arguments.py)."""
    end_in_order_when_told()
    try:
        stack = Stack(STATE / "demo", port=port, origins=origins, reconcile_every=RECONCILE_EVERY)
        shown = ".".join(map(str, nginx.version(stack.nginx_binary)))
        print(f"Starting nginx {shown}, web_app and services_app …", flush=True)
        with stack:
            print(_welcome(stack), flush=True)
            return _watch(stack)
    except (StartFailed, OSError) as failure:
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
    return f"""
  page       {stack.url}   (the browser will warn: the certificate is from a demo authority)
  sign in    {stack.username} / {stack.password}
  operators  {stack.url}/admin/
  NAS        {_near(stack.nas)}
  logs       {_near(stack.logs)}

With curl 7.76 or newer; FILE is yours to choose:

{textwrap.indent(curl_lines(stack), "  ")}

Ctrl-C stops everything."""


def curl_lines(stack: Stack) -> str:
    """Those of README.md, for this place; pasted anywhere on this machine."""
    ca, key = (shlex.quote(str(path)) for path in (stack.keys.edge_ca, stack.api_key_file))
    lines = CURL_LINES.replace("https://upload.example.org", stack.url).replace("mri-2026", stack.collection)
    lines = lines.replace("KEY=slk_…", f"KEY=$(cat {key})")
    return lines.replace("curl -S", f"curl -S --cacert {ca}")


def _near(path: Path) -> str:
    """As one would type it here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
