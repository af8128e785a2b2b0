"""The words that this package rejects rows for are those of the page that jobs/contract/reasons.ts makes."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def raised() -> set[str]:
    """The texts of every `Reason(…)` and `Rejection(…)`."""
    words = set()
    for path in (ROOT / "jobs" / "spark" / "reseal").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("Reason", "Rejection")
                and isinstance(node.args[0], ast.Constant)
            ):
                words.add(str(node.args[0].value))
    return words


def test_one_vocabulary() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text()
    assert raised() == set(re.findall(r"^\| `([a-z0-9-]+)` \|", page, re.MULTILINE))
