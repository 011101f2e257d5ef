"""The commands of ./run. Standard library only: listing, `--help` and refusals work before anything is set up."""

import argparse
import os
import sys
import textwrap
import tomllib

from dev import arguments as checks
from dev import bootstrap, ports
from dev.paths import ROOT


def main(arguments: list[str]) -> int:
    parser, known = _parser()
    if not arguments or arguments[0] in ("help", "-h", "--help"):
        print(_overview(known))
        return 0
    if arguments[0] in ("-V", "--version"):
        print(_version())
        return 0
    options, rest = parser.parse_known_args(arguments)
    if rest and not options.takes_more:
        options.parser.error(f"not known: {' '.join(rest)}")
    options.rest = rest
    try:
        options.check(options)
    except argparse.ArgumentTypeError as wrong:
        options.parser.error(str(wrong))
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
    parser = checks.Parser(prog="./run", add_help=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    known = []

    def command(
        name: str, line: str, action, more: str = "", takes_more: bool = False, check=lambda options: None
    ) -> argparse.ArgumentParser:
        known.append((name, line))
        one = commands.add_parser(
            name,
            prog=f"./run {name}",
            description=line + ".",
            epilog=textwrap.dedent(more),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(action=action, takes_more=takes_more, check=check, parser=one)
        return one

    demo = command("demo", "Start everything on this machine and say how to use it", _demo, check=checks.check_demo)
    demo.add_argument("--port", type=checks.port, help=f"port of the page (default: {ports.DEMO})")
    demo.add_argument(
        "--origin", action="append", default=[], type=checks.origin, help="whose pages may upload from a browser too (repeatable)"
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
        ./run test --sqlite               not on PostgreSQL as well (or --postgresql: there alone)

        dev/tests.py says how to call pytest by hand.
        """,
        takes_more=True,
        check=checks.check_test,
    )
    command(
        "bench",
        "Measure Sluice against other ways of doing it",
        _bench,
        more="More arguments go to tests/bench.",
        takes_more=True,
        check=checks.check_bench,
    )
    faults = command(
        "faults",
        "Break everything again and again while senders send, and judge what is left",
        _faults,
        more="""\
        ./run faults                                   every kind of fault, 200 rounds each; hours
        ./run faults --rounds 3                        a few minutes
        ./run faults --only worker-killed --seed 7     one kind, the very rounds of an earlier run
        ./run faults --minutes 30                      all kinds in any order, for so long

        Some kinds need root and strace; --list names all of them. docs/faults.md says what is judged.
        Exit code: 0 all was right, 1 something was not.
        """,
    )
    faults.add_argument("--rounds", type=checks.number, default=200, help="of each kind (default: 200, six senders each)")
    faults.add_argument("--only", nargs="+", default=[], metavar="KIND", help="these kinds alone")
    faults.add_argument("--minutes", type=checks.number, default=0, help="a soak instead: all kinds mixed, for so many minutes")
    faults.add_argument("--seed", type=int, help="of an earlier run, for the same rounds")
    faults.add_argument("--stall", type=checks.number, default=3, help="seconds that the store may stall (default: 3)")
    faults.add_argument("--postgresql", action="store_true", help="on PostgreSQL, which is killed too")
    faults.add_argument("--json", action="store_true", help="print the result as JSON, at the end")
    faults.add_argument("--list", action="store_true", help="print the kinds and stop")
    command(
        "infra",
        "Build deployments from nothing (compose, Ansible) and judge them; as root, with docker",
        _infra,
        more="""\
        ./run infra                               everything, two hours and more on two cores
        ./run infra tests/infra/test_compose.py   compose alone

        More arguments go to pytest. dev/infra.py says what the machine needs.
        """,
        takes_more=True,
    )
    command("wheelhouse", "Fetch the packages of both tiers for Debian 13, for hosts without internet", _wheelhouse)
    verify = command(
        "verify",
        "Check a receipt, and a file against it, without any server",
        _verify,
        more="""\
        ./run verify receipt-….jws --keys receipt-keys.json
        ./run verify receipt-….jws scan.zip --keys receipt-keys.json

        The keys are what GET /api/v1/receipt-keys answers, or the RECEIPT_KEYS file of web_app.
        Exit code: 0 genuine (and the same file), 1 not, 2 nothing could be checked.
        """,
    )
    verify.add_argument("receipt", metavar="RECEIPT", help="the receipt as it was downloaded")
    verify.add_argument("file", metavar="FILE", nargs="?", help="the file that it is said to be about")
    verify.add_argument("--keys", metavar="JWKS", required=True, help="the published keys, a JWK Set")
    verify.add_argument("--issuer", help="whose receipt it has to be (default: any that these keys sign)")
    verify.add_argument("--json", action="store_true", help="print the result as JSON")
    command("lint", "Check Python, shell and nginx files", _lint)
    command("docs", "Write what is made from code (docs/), and the API document that web_app serves", _docs)
    lock = command("lock", "Re-make the dependency locks from */requirements.in", _lock)
    lock.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    return parser, known


def _overview(known: list[tuple[str, str]]) -> str:
    rows = "\n".join(f"  ./run {name:<10} {line}" for name, line in known)
    return f"Sluice: very large files straight to the services tier.\n\n{rows}\n\n./run COMMAND --help, ./run --version"


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return f"{project['name']} {project['version']}"


# Imported late: what these need is there only inside the environment.
def _demo(options) -> int:
    from dev import demo, once

    if options.once is not None:
        return once.main(options.once, as_json=options.json)
    return demo.main(options.port, options.origin)


def _test(options) -> int:
    from dev.tests import main

    return main(options.rest)


def _bench(options) -> int:
    from dev.bench import main

    return main(options.rest)


def _faults(options) -> int:
    from dev.faults import main

    return main(options)


def _infra(options) -> int:
    from dev.infra import main

    return main(options.rest)


def _wheelhouse(options) -> int:
    from dev.wheelhouse import main

    return main()


def _verify(options) -> int:
    from dev.verify import main

    return main(options)


def _lint(options) -> int:
    from dev.lint import main

    return main()


def _docs(options) -> int:
    from dev import media_types, openapi, states

    return states.main() or media_types.main() or openapi.main()


def _lock(options) -> int:
    from dev.lock import lock

    return lock(options.upgrade)
