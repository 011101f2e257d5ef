"""A report as lines for a terminal: sizes and times for people, ids and nothing else for uploads."""

from . import judge


def lines(report: dict) -> list[str]:
    uploads, store = report["uploads"], report["store"]
    states = ", ".join(f"{count} {state}" for state, count in uploads["states"].items()) or "unknown"
    seconds = report["database"]["seconds"]
    told = [
        f"services tier {report['version']}",
        f"  store         {report['failing'].get('store', 'ok')}, {size(store['free_bytes'])} free, "
        f"{size(store['reserve_bytes'])} in reserve",
        f"  database      {report['failing'].get('database', 'ok')}, {report['database']['vendor']}"
        + (f", {seconds * 1000:.1f} ms" if seconds is not None else ""),
        f"  ledger        {'unknown' if report['ledger']['head'] is None else report['ledger']['head']} entries",
        f"  uploads       {states}; {size(uploads['unfinished_bytes'])} promised, the oldest began {age(uploads['oldest_seconds'])} ago",
    ]
    told += [f"    {_in_flight(one)}" for one in uploads["in_flight"]]
    told += [f"  hook          {_hook(one)}" for one in report["hooks"]]
    if quarantined := report["stored"]["quarantined"]:
        told.append(f"  quarantined   {quarantined} stored files (manage.py outbox --list names them)")
    told += [f"  certificate   {one['certificate']}: {_left(one)}" for one in report["certificates"]]
    told += [f"  {one['use']:7} key   {_key(one)}" for one in report["keys"]]
    return told + problem_lines(report["problems"])


def problem_lines(problems: list[dict]) -> list[str]:
    return [line for one in problems for line in (f"{one['level'].upper():8}  {one['what']}", f"          → {one['cure']}")]


def size(count: int | None) -> str:
    if count is None:
        return "unknown"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def age(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _in_flight(one: dict) -> str:
    of = f" of {size(one['length'])}" if one["length"] is not None else ""
    return f"{one['upload_id']}  {one['state']}, {size(one['offset'])}{of} in {age(one['seconds'])}, {size(one['bytes_per_second'])}/s"


def _hook(one: dict) -> str:
    waits = f", the oldest stored {age(one['oldest_seconds'])} ago" if one["open"] else ""
    return f"{one['hook']}: {one['open']} to hand on{waits}; {one['failed']} given up"


def _left(one: dict) -> str:
    if "fault" in one:
        return f"unreadable ({one['fault']})"
    left = judge.days_until(one["ends"])
    return f"{left} days left" if left >= 0 else "has ended"


def _key(one: dict) -> str:
    if "fault" in one:
        return f"unreadable ({one['fault']})"
    made = f"made {age(judge.seconds_since(one['made']))} ago" if one["made"] else "of unknown age"
    return f"{one['kid']}, {made}{', signs' if one['signs'] else ''}"
