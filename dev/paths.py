"""Where things are: the repository and the one ignored folder for everything generated."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".state"
