"""The keys that sign receipts: RECEIPT_KEY_FILE."""

import json
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from services_app.receipts.keyring import Keyring, NotPossible, entries_of, replace


class Command(BaseCommand):
    help = "Make, list, choose and retire the keys that sign receipts, and export their public halves."
    requires_system_checks = []  # the file may not be there yet

    def add_arguments(self, parser):
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("new", help="make one; it signs nothing yet, unless it is the first")
        actions.add_parser("list", help="the kids, oldest first, and which one signs")
        for name, what in (("sign-with", "let this one sign"), ("retire", "take this one out")):
            # A kid is base64url and may begin with "-": these two take no options.
            actions.add_parser(name, help=what, prefix_chars="+", add_help=False).add_argument("kid")
        export = actions.add_parser("export", help="the public halves, for RECEIPT_JWKS_FILE of the web tier")
        export.add_argument("--to", type=Path, metavar="FILE", help="add them to this file, where retired ones stay; else they are printed")

    def handle(self, *args, action, **options):
        try:
            keyring = Keyring(Path(settings.RECEIPT_KEY_FILE))
            if action == "new":
                self.stdout.write(keyring.add())
            elif action == "list":
                for kid in keyring.kids():
                    self.stdout.write(f"{kid}{' signs' if kid == keyring.kids()[-1] else ''}")
            elif action == "export":
                self._export(keyring.public(), options["to"])
            else:
                {"sign-with": keyring.sign_with, "retire": keyring.retire}[action](options["kid"])
        except NotPossible as exc:
            raise CommandError(str(exc)) from exc

    def _export(self, public: dict, to: Path | None) -> None:
        if to is None:
            self.stdout.write(json.dumps(public, indent=1))
        else:
            replace(to, {"keys": [*_retired(to, public), *public["keys"]]}, mode=0o644)


def _retired(path: Path, public: dict) -> list[dict]:
    """Keys in an earlier export that sign no more. What they signed must stay verifiable. Raises NotPossible."""
    try:
        return [key for key in entries_of(path) if key["kid"] not in {key["kid"] for key in public["keys"]}]
    except OSError as exc:
        raise NotPossible(f"The file to add them to cannot be read ({type(exc).__name__}).") from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise NotPossible("The file to add them to is no set of keys.") from exc
