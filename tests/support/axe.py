"""axe-core in the page itself: what somebody who cannot see or point would stumble over.

axe's script comes from the package `axe-playwright-python`; nothing is fetched. It sees into open shadow roots.
"""

from typing import Any, NamedTuple

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

GRAVE = ("serious", "critical")


class Finding(NamedTuple):
    """One node that breaks one rule."""

    rule: str
    impact: str
    target: str
    html: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule} ({self.impact}) at {self.target}: {self.html[:160]} -- {self.why}"


class Excused(NamedTuple):
    """A node of Streamlit's own that nobody outside can mend: the rule, a part of the node's HTML, and why."""

    rule: str
    part: str
    why: str


EXCUSED: tuple[Excused, ...] = ()


def findings(page: Page, within: str | None = None) -> list[Finding]:
    """The serious and critical ones, without those that are excused; `within` is a CSS selector of the light tree."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE_SCRIPT)
    told: dict[str, Any] = page.evaluate("within => axe.run(within ?? document, {resultTypes: ['violations']})", within)
    found = [
        Finding(
            violation["id"],
            violation["impact"],
            " ".join(map(str, node["target"])),
            " ".join(node["html"].split()),
            " ".join((node.get("failureSummary") or violation["help"]).split()),
        )
        for violation in told["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
    return [each for each in found if not any(_covers(excused, each) for excused in EXCUSED)]


def _covers(excused: Excused, finding: Finding) -> bool:
    return finding.rule == excused.rule and excused.part in finding.html
