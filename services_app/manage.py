#!/usr/bin/env python3
"""Management commands of the services tier."""

import os
import sys
from pathlib import Path


def main() -> None:
    # Packages are imported by their full name, so the parent is the root, not this folder.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services_app.config.settings")

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DataError, Error, IntegrityError

    from services_app.config import patience

    patience.tell()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        sys.stderr.write(f"services_app does not start: {exc}\n")
        sys.exit(2 if sys.argv[1:2] == ["status"] else 1)  # as status says that something is critical
    except Error as exc:
        # A row that does not fit is a fault of the command, not of the database.
        if "--traceback" in sys.argv or isinstance(exc, DataError | IntegrityError):
            raise
        sys.exit(f"services_app's database cannot be used: {exc}. Is it there, whole and free, and has manage.py migrate been run?")
    except UnicodeEncodeError as exc:
        if "--traceback" in sys.argv or exc.reason != "surrogates not allowed":
            raise
        sys.exit("services_app: an argument is not UTF-8, and cannot be kept.")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
