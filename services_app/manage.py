#!/usr/bin/env python3
"""Management commands of the services tier."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # Packages are imported by their full name, so the parent is the root, not this folder.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "services_app.config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
