"""`./run docs`: docs/upload-states.md, made from the two tables of states. tests/docs compares the file with them."""

import inspect
import re
import sys
from enum import Enum

from dev.paths import ROOT
from services_app.uploads import states as uploads
from web_app.grants import states as grants

TARGET = ROOT / "docs" / "upload-states.md"

# Why each way is gone. A way that is new in a table is an error here until somebody says what it means.
UPLOAD_WAYS = {
    (None, "waiting"): "an upload is created under a free place of its grant; a PUT goes on at once",
    ("waiting", "receiving"): "a request sends at the offset where it stands",
    ("waiting", "aborted"): "cancelled, expired, or superseded by a newer upload",
    ("receiving", "waiting"): "the request ended before the file did, or was found abandoned; what came is kept",
    ("receiving", "committing"): "all bytes are durable in staging; length and digest agree",
    ("receiving", "aborted"): "refused, or what was staged is lost",
    ("committing", "committed"): "final name durable; ledger entry and receipt in one transaction",
    ("committing", "aborted"): "it cannot be published",
    ("committed", "deleted"): "removed over the internal API",
    ("deleted", "committed"): "brought back from the trash",
}
GRANT_WAYS = {
    (None, "issued"): "permission was asked for and given",
    ("issued", "complete"): "the receipt came, from the page or by reconcile",
    ("issued", "cancelled"): "the person gave it up",
    ("issued", "expired"): "its time ran out and nothing was stored",
    ("cancelled", "complete"): "the bytes had been stored all the same",
    ("expired", "complete"): "the bytes had been stored all the same",
    ("expired", "issued"): "its sender came back and its token was renewed",
}
GRANT_MEANINGS = {
    "issued": "the token was given out; no receipt has come yet",
    "complete": "the receipt is here and verified; final",
    "cancelled": "given up by the person",
    "expired": "past its end without a receipt",
}

HEAD = """\
# States

Made by `./run docs` from `services_app/uploads/states.py` and `web_app/grants/states.py`. Do not edit.

The two tiers count different things. An **upload** is one attempt to bring bytes in; the services tier keeps it. A **grant** is
the permission; the web tier keeps it. A grant may see several uploads, of which at most as many are committed as its token
allows (normally one).
"""


STANDING = """\
## What is stored, and what was found of it

Two things. A receipt says that a file is stored, and stays. Where its collection asks for a check, its *standing* says what people may do
with it (`services_app/uploads/verdicts.py`, [ADR 0045](adr/0045-after-the-commit.md)):

| standing of a `committed` upload | meaning |
|---|---|
{rows}
"""


def main() -> int:
    try:
        text = render()
    except ValueError as wrong:
        print(f"./run docs: {wrong}", file=sys.stderr)
        return 1
    TARGET.write_text(text)
    print(f"  {TARGET.relative_to(ROOT)}")
    return 0


def render() -> str:
    """The whole document. Raises ValueError when a table holds a way without words, or the words one that is gone."""
    upload_meanings = _comments(uploads.State)
    parts = [
        HEAD,
        _section("An upload (services tier)", uploads.NEXT, upload_meanings, UPLOAD_WAYS),
        "`receiving` and `committing` are *running*: a request holds a lease on the upload. One whose lease ran out, or whose\n"
        "process is gone, is abandoned; whoever asks next settles it (`services_app/uploads/recover.py`). So is one that waited\n"
        "for its sender beyond its end.\n",
        STANDING.format(rows="\n".join(f"| `{one}` | {meaning} |" for one, meaning in _comments(uploads.Standing).items())),
        _section("A grant (web tier)", grants.TRANSITIONS, GRANT_MEANINGS, GRANT_WAYS),
    ]
    return "\n".join(parts)


def _section(title: str, following: dict, meanings: dict[str, str], words: dict) -> str:
    ways = [(None, next(iter(following)))] + [
        (before, after) for before, all_after in following.items() for after in following if after in all_after
    ]
    if {(before and str(before), str(after)) for before, after in ways} != words.keys():
        raise ValueError(f"dev/states.py and the table of '{title}' name different ways")
    rows = [
        f"| `{state}` | {meanings[str(state)]} | {', '.join(f'`{a}`' for b, a in ways if b == state) or 'none'} |"
        for state in following
    ]
    arrows = [f"    {before or '[*]'} --> {after}: {words[before and str(before), str(after)]}" for before, after in ways]
    ends = [f"    {state} --> [*]" for state in following if not following[state]]
    return "\n".join(
        [
            f"## {title}\n",
            "| state | meaning | may become |\n|---|---|---|",
            *rows,
            "\n```mermaid\nstateDiagram-v2",
            *arrows,
            *ends,
            "```\n",
        ]
    )


def _comments(states: type[Enum]) -> dict[str, str]:
    """The comment behind each state in the source."""
    found = re.findall(r'^    \w+ = "(\w+)"  # (.+)$', inspect.getsource(states), re.MULTILINE)
    return dict(found)
