"""The commands of ./run. Standard library only: listing and `--help` work before anything is set up."""

import argparse
import os
import re
import sys
import textwrap

from dev import bootstrap

DEMO_PORT = 8443


def main(arguments: list[str]) -> int:
    parser, known = _parser()
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(_overview(known))
        return 0
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.takes_more:
        parser.error(f"{options.command} does not know: {' '.join(rest)}")
    options.rest = rest
    try:
        bootstrap.enter()
        return options.action(options)
    except bootstrap.Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read our output (`| head`) has gone; what Python would still flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> tuple[argparse.ArgumentParser, list[tuple[str, str]]]:
    parser = argparse.ArgumentParser(prog="./run", add_help=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = []

    def command(name: str, line: str, action, more: str = "", takes_more: bool = False) -> argparse.ArgumentParser:
        known.append((name, line))
        one = commands.add_parser(
            name,
            prog=f"./run {name}",
            description=line + ".",
            epilog=textwrap.dedent(more),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(action=action, takes_more=takes_more)
        return one

    demo = command("demo", "Start everything on this machine and say how to use it", _demo)
    demo.add_argument("--port", type=int, default=DEMO_PORT, help="port of the page (default: %(default)s)")
    demo.add_argument(
        "--origin", action="append", default=[], type=_origin, help="whose pages may upload from a browser too (repeatable)"
    )
    demo.add_argument("--once", metavar="FILE", help="on free ports: send FILE through it once, check everything, stop")
    demo.add_argument("--json", action="store_true", help="with --once: print the result as JSON")

    command(
        "test",
        "Run every test; more arguments go to pytest",
        _test,
        more="""\
        ./run test                        everything
        ./run test tests/wire             one folder
        ./run test -k name_of_a_test      what pytest knows also works here

        dev/tests.py says how to call pytest by hand.
        """,
        takes_more=True,
    )
    command(
        "bench",
        "Measure Sluice against other ways of doing it",
        _bench,
        more="More arguments go to tests/bench.",
        takes_more=True,
    )
    command("lint", "Check Python, shell and nginx files", _lint)
    command("docs", "Write the parts of docs/ that are made from code", _docs)
    lock = command("lock", "Re-make the dependency locks from */requirements.in", _lock)
    lock.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    return parser, known


def _overview(known: list[tuple[str, str]]) -> str:
    rows = "\n".join(f"  ./run {name:<6} {line}" for name, line in known)
    return f"Sluice: very large files straight to the services tier.\n\n{rows}\n\n./run COMMAND --help"


# Imported late: what these need is there only inside the environment.
def _demo(options) -> int:
    from dev import demo, once

    if options.once:
        return once.main(options.once, as_json=options.json)
    return demo.main(options.port, options.origin)


def _origin(text: str) -> str:
    """It becomes a line of site.conf as it is."""
    if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?", text):
        raise argparse.ArgumentTypeError("an origin is https://name or https://name:port, and nothing behind it")
    return text


def _test(options) -> int:
    from dev.tests import main

    return main(options.rest)


def _bench(options) -> int:
    from dev.bench import main

    return main(options.rest)


def _lint(options) -> int:
    from dev.lint import main

    return main()


def _docs(options) -> int:
    from dev.states import main

    return main()


def _lock(options) -> int:
    from dev.lock import lock

    return lock(options.upgrade)
