"""`./run faults`: senders, one fault each round, and a judge (tests/faults/rounds, docs/faults.md)."""

import json
import secrets
import sys

from dev import processes
from dev.paths import STATE

RIGHT, WRONG, NOTHING = 0, 1, 2
_SHOWN = 8  # findings of one kind


def main(options) -> int:
    from tests.faults.rounds import kinds, play

    if options.list:
        print("\n".join(kinds.NAMES))
        return RIGHT
    if unknown := sorted(set(options.only) - set(kinds.NAMES)):
        print(f"./run faults: no such kind: {', '.join(unknown)}; --list names them", file=sys.stderr)
        return NOTHING
    processes.end_in_order_when_told()
    seed = secrets.randbelow(1 << 32) if options.seed is None else options.seed
    keep, rows = STATE / "faults" / str(seed), []
    if not options.json:
        print(f"seed {seed}\n{_line('fault', 'rounds', 'stored', 'verdict', 'what the senders saw')}", flush=True)
    with play.Play(seed, postgresql=options.postgresql, long_stall=options.stall, keep=keep) as game:
        chosen = play.chosen(options.only)
        for row in game.minutes(chosen, options.minutes) if options.minutes else game.kinds(chosen, options.rounds):
            rows.append(row)
            if not options.json:
                _show(row)
    right = all(row.is_right for row in rows)
    if options.json:
        print(json.dumps({"seed": seed, "right": right, "kinds": [_facts(row) for row in rows]}))
    if not any(row.rounds for row in rows):
        print("Nothing was played.", file=sys.stderr)
        return NOTHING
    if not right:
        print(f"Not right. The same rounds again: --seed {seed}. What was logged: {keep}", file=sys.stderr)
    return RIGHT if right else WRONG


def verdict(row) -> str:
    if row.skipped:
        return f"not played: {row.skipped}"
    if row.control and not row.unplayed:
        return "caught, as it must be" if row.is_caught else "NOT CAUGHT"
    if row.is_right and not row.rounds:
        return "not played"
    return "right" if row.is_right else "WRONG"


def _show(row) -> None:
    saw = ", ".join(f"{what} ×{count}" for what, count in sorted(row.saw.items()))
    print(_line(row.name, str(row.rounds), str(row.objects), verdict(row), saw), flush=True)
    found = row.unplayed + row.findings
    for finding in found[:_SHOWN]:
        print(f"    {finding}", flush=True)
    if found[_SHOWN:]:
        print(f"    and {len(found) - _SHOWN} more", flush=True)


def _line(kind: str, rounds: str, stored: str, said: str, saw: str) -> str:
    return f"{kind:<22} {rounds:>6} {stored:>7}  {said:<21}  {saw}".rstrip()


def _facts(row) -> dict:
    return {
        "kind": row.name,
        "rounds": row.rounds,
        "stored": row.objects,
        "verdict": verdict(row),
        "right": row.is_right,
        "saw": dict(row.saw),
        "findings": row.unplayed + row.findings,
    }
