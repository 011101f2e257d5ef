"""A report as lines for a terminal."""

from web_app.status import judge


def lines(report: dict) -> list[str]:
    """Without the problems."""
    grants, seconds = report["grants"], report["database"]["seconds"]
    return [
        f"web tier {report['version']}",
        f"  database      {report['failing'].get('database', 'ok')}, {report['database']['vendor']}"
        + (f", {seconds * 1000:.1f} ms" if seconds is not None else ""),
        f"  grants        {'unknown' if grants['open'] is None else grants['open']} open, the oldest for {age(grants['oldest_seconds'])}",
        f"  reconcile     last round {age(report['reconcile']['seconds_ago'])} ago",
        *(f"  certificate   {one['certificate']}: {_left(one)}" for one in report["certificates"]),
        *(f"  {one['use']:7} key   {_key(one)}" for one in report["keys"]),
    ]


def problem_lines(problems: list[dict]) -> list[str]:
    return [line for one in problems for line in (f"{one['level'].upper():8}  {one['what']}", f"          → {one['cure']}")]


def age(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


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
