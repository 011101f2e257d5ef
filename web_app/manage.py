#!/usr/bin/env python3
"""Management commands of the web tier's app."""

import os
import sys

# Python puts this file's folder first on sys.path, where web_app/collections would stand before the standard library's
# module of that name. So this comes before any other import: most of the library needs `collections`.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web_app.config.settings")

    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import DataError, Error, IntegrityError

    from web_app.config import patience

    patience.tell()
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as exc:
        sys.stderr.write(f"web_app does not start: {exc}\n")
        sys.exit(2 if sys.argv[1:2] == ["status"] else 1)  # as status says that something is critical
    except Error as exc:
        # A row that does not fit is a fault of the command, not of the database.
        if "--traceback" in sys.argv or isinstance(exc, DataError | IntegrityError):
            raise
        sys.exit(f"web_app's database cannot be used: {exc}. Is it there, whole and free, and has manage.py migrate been run?")
    except UnicodeEncodeError as exc:
        if "--traceback" in sys.argv or exc.reason != "surrogates not allowed":
            raise
        sys.exit("web_app: an argument is not UTF-8, and cannot be kept.")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
