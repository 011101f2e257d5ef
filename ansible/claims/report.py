"""The report on a deployment: report.json for programs, report.html to be read, printed and filed."""

import dataclasses
import datetime
import html
import json
from pathlib import Path

HOLDS = "holds"
_STYLE = """
body { font: 11pt/1.4 sans-serif; margin: 2em auto; max-width: 60em; color: #111 }
table { border-collapse: collapse; width: 100% }
th, td { border: 1px solid #888; padding: .3em .5em; text-align: left; vertical-align: top }
th { background: #eee } tr { break-inside: avoid } thead { display: table-header-group }
.bad { font-weight: bold } .bad td:last-child { background: #fdd } pre { white-space: pre-wrap; margin: .3em 0 0; font-size: 9pt }
@page { margin: 15mm } @media print { body { margin: 0; max-width: none } }
"""


@dataclasses.dataclass(frozen=True)
class Result:
    """`result` is "holds", "does not hold" or "not shown"."""

    claim: str
    how: str
    host: str
    result: str
    why: str = ""


def write(folder: Path, name: str, when: datetime.datetime, results: list[Result]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    whole = {"deployment": name, "time": when.isoformat(timespec="seconds"), "holds": all_hold(results)}
    whole["results"] = [dataclasses.asdict(one) for one in results]
    (folder / "report.json").write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
    (folder / "report.html").write_text(_page(name, when, results))


def all_hold(results: list[Result]) -> bool:
    """False of nothing at all: a run that looked at nothing has shown nothing."""
    return bool(results) and all(one.result == HOLDS for one in results)


def _page(name: str, when: datetime.datetime, results: list[Result]) -> str:
    bad = sum(one.result != HOLDS for one in results)
    said = f"All {len(results)} claims hold." if all_hold(results) else f"{bad} of {len(results)} claims do not hold."
    rows = "\n".join(map(_row, results))
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sluice: {html.escape(name)}</title><style>{_STYLE}</style>
<h1>{html.escape(name)}</h1>
<p>Verified on {when:%Y-%m-%d at %H:%M} UTC. <strong>{said}</strong></p>
<table><thead><tr><th>Claim<th>How it was looked at<th>Host<th>Result</thead><tbody>
{rows}
</tbody></table></html>
"""


def _row(one: Result) -> str:
    bad = "" if one.result == HOLDS else ' class="bad"'
    why = f"<pre>{html.escape(one.why)}</pre>" if one.why else ""
    return f"<tr{bad}><td>{html.escape(one.claim)}<td>{html.escape(one.how)}<td>{html.escape(one.host)}<td>{one.result}{why}"
