"""`./run docs`: web_app/api/openapi.json, which is served, made from docs/openapi.yaml, which is written by hand."""

import json

import yaml

from dev.paths import ROOT

SOURCE = ROOT / "docs" / "openapi.yaml"
TARGET = ROOT / "web_app" / "api" / "openapi.json"


def main() -> int:
    TARGET.write_text(render())
    print(f"  {TARGET.relative_to(ROOT)}")
    return 0


def document() -> dict:
    """Without what only the source's anchors stand in (`x-…`)."""
    return {name: part for name, part in yaml.safe_load(SOURCE.read_text()).items() if not name.startswith("x-")}


def render() -> str:
    return json.dumps(document(), ensure_ascii=False, separators=(",", ":")) + "\n"
