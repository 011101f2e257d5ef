"""./run bench: several targets, fresh each time, in turns."""

import argparse
import fcntl
import os
import shutil
import sys

from dev.client import Refused
from dev.pki import Pki
from dev.processes import StartFailed
from tests.bench import ground, measure, memory, report, summary
from tests.bench.options import parse
from tests.bench.targets.base import MIB

# Store, client body and, for the replaced design, three copies on their way.
ROOM = 6


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    ground.FOLDER.mkdir(parents=True, exist_ok=True)
    with (ground.FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another ./run bench is running here; two would only measure each other.", file=sys.stderr)
            return 2
        return _bench(options)


def _bench(options: argparse.Namespace) -> int:
    size = options.size * MIB
    needed = max(size * ROOM, memory.BIG * 2 if options.memory else 0)
    if shutil.disk_usage(ground.FOLDER).free < needed:
        print(f"The bench needs {needed // MIB} MiB free under {ground.FOLDER}.", file=sys.stderr)
        return 2
    load = os.getloadavg()[0]
    pki = Pki(ground.FOLDER / "pki")
    runs, left_out, broken = _rounds(options, size, pki)
    growth = _growth(pki) if options.memory and "sluice" in options.targets else None
    lines = {name: line for name in options.targets if (line := summary.line(name, runs))}
    aims = summary.aims(lines, runs, growth)
    result = report.Result(size, options.rounds, load, runs, lines, left_out, growth, aims)
    print(report.show(result))
    print(f"\nJSON: {report.keep(result)}")
    return 1 if broken or any(run.error for run in runs) else 0


def _rounds(options: argparse.Namespace, size: int, pki: Pki) -> tuple[list[measure.Run], dict[str, str], bool]:
    """All runs, why targets were left out, and whether one of these broke (and was not merely missing)."""
    runs, left_out, broken = [], {}, False
    for number in range(options.rounds):
        for name in _turns(options.targets, number):
            if name in left_out:
                continue
            _say(f"round {number + 1} of {options.rounds}: {name} …")
            try:
                with measure.started(name, pki) as target:
                    runs.append(measure.upload(target, size))
            except ground.Unavailable as why:
                left_out[name] = str(why)
            except (StartFailed, Refused, RuntimeError) as why:
                left_out[name], broken = str(why), True
    return runs, left_out, broken


def _growth(pki: Pki) -> memory.Growth:
    _say(f"memory: sluice, {memory.SMALL // MIB} MiB, then {memory.BIG // MIB} MiB …")
    return memory.growth("sluice", pki)


def _turns(names: list[str], number: int) -> list[str]:
    """Each round begins with another target, so that none always has the same predecessor on the disk."""
    start = number % len(names)
    return names[start:] + names[:start]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
