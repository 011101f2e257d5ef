"""axe-core, which knows the rules of WCAG: what it finds on a page as it stands."""

from pathlib import Path

from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def findings(page: Page, node_modules: Path, *aside: str) -> list[str]:
    """Each as "rule: where". `aside`: rules that are left out, with a reason where they are."""
    page.evaluate((node_modules / "axe-core" / "axe.min.js").read_text())
    options = {"runOnly": RULES, "rules": {rule: {"enabled": False} for rule in aside}, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]
