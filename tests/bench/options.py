"""What may be asked of the bench. Standard library only, so that `./run` can refuse before it builds the peers' environment."""

import argparse

from dev.arguments import Parser, number

SIZE = 327  # MiB: the upload whose "100 %" hung in the system that Sluice replaces
QUICK_SIZE = 64
ROUNDS = 3
# Those of tests/bench/targets, which cannot be asked before that environment is there.
NAMES = (
    *("sluice", "sluice-resumed", "sluice-appends-8", "sluice-appends-32", "sluice-appends-64"),
    *("sluice-1gbit", "sluice-appends-32-1gbit", "sluice-appends-64-1gbit"),
    *("sluice-slow-disk", "sluice-slow-disk-64", "dav-durable-slow-disk"),
    *("inhouse", "dav", "dav-durable", "copyparty", "tuspyserver"),
)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog="./run bench",
        description="Measure Sluice against other ways of doing it; docs/benchmarks.md says how to read it.",
    )
    parser.add_argument("--rounds", type=_rounds, help=f"how often each target runs (default: {ROUNDS})")
    parser.add_argument("--size", type=number, metavar="MIB", help=f"size of the upload in MiB (default: {SIZE})")
    parser.add_argument(
        "--targets",
        type=_names,
        default=list(NAMES),
        metavar="A,B",
        help=f"which ones, of {','.join(NAMES)} (default: all)",
    )
    parser.add_argument(
        "--memory",
        action=argparse.BooleanOptionalAction,
        help="also measure Sluice's memory growth up to a 2 GiB upload (default: yes, unless --quick)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"one round of {QUICK_SIZE} MiB, no memory growth, unless said otherwise",
    )
    options = parser.parse_args(arguments)
    options.rounds = (1 if options.quick else ROUNDS) if options.rounds is None else options.rounds
    options.size = options.size or (QUICK_SIZE if options.quick else SIZE)
    options.memory = not options.quick if options.memory is None else options.memory
    return options


def _rounds(text: str) -> int:
    return 0 if text == "0" else number(text)


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such target: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    return names
