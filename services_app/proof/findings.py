"""What a command found, for people and for programs: ids, numbers and codes, never a name or a path (invariant 6)."""

import json
from dataclasses import asdict, dataclass, field

from django.core.management.base import BaseCommand, CommandError

FOUND = 2  # exit status; 1 says that it could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` is a code of a closed set, `of` an id or a number, `said` a sentence for a person."""

    what: str
    of: str
    said: str


@dataclass
class Report:
    """`counts` and other plain facts, and what is wrong."""

    told: dict = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def add(self, what: str, of: object, said: str) -> None:
        self.findings.append(Finding(what, str(of), said))


def conclude(command: BaseCommand, report: Report, lines: list[str], *, as_json: bool, otherwise: str = "") -> None:
    """Print it, and raise CommandError (exit status 2) where something is wrong; `otherwise` is its text."""
    if as_json:
        command.stdout.write(json.dumps({**report.told, "findings": [asdict(one) for one in report.findings]}, indent=1))
    else:
        for line in lines:
            command.stdout.write(line)
        for one in report.findings:
            command.stderr.write(f"{one.what}: {one.said}")
    if report.findings:
        raise CommandError(otherwise or f"{len(report.findings)} found, as named above.", returncode=FOUND)
