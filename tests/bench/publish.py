"""Puts what was measured into the documentation: `python -m tests.bench --publish`.

Groups that were not measured this time keep what was published of them before.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path("docs/explanation/performance.md")
KEPT = Path("docs/explanation/performance.json")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Document = dict[str, Any]


def publish(root: Path, document: Document) -> None:
    """Merge new figures into those that are kept, and write the page's tables anew."""
    kept, page = root / KEPT, root / PAGE
    groups: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    about = {key: document[key] for key in ("at", "share", "machine")}
    for name in dict.fromkeys(str(row["group"]) for row in document["rows"]):
        groups[name] = {**about, "rows": [row for row in document["rows"] if row["group"] == name]}
    kept.write_text(json.dumps(groups, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{tables(groups)}\n{END}{after}", encoding="utf-8")


def tables(groups: Mapping[str, Any]) -> str:
    """Return a table for each group, with where and beside what it was measured."""
    return "\n".join(_table(name, group) for name, group in groups.items())


def _table(name: str, group: Mapping[str, Any]) -> str:
    machine, rows = group["machine"], group["rows"]
    others = max(row["other_cores"] for row in rows)
    share = "" if group["share"] >= 1 else f", a sample of {group['share']:.0%}"
    lines = [
        f"\n**{name}**: {group['at'][:10]}, commit `{machine['commit']}`, {machine['cores']} cores"
        f" ({machine['processor']}){share}; others used up to {others:.1f} cores meanwhile.\n",
        "| What | Figure | × ceiling | Promised | Bound by |",
        "| --- | --- | --- | --- | --- |",
        *(_line(row) for row in rows),
    ]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else ""
    goal = (row["goal"] or "") + {True: "", False: " (missed)", None: ""}[row["met"]]
    value = f"{row['value']:,.2f}".removesuffix(".00") + f" {row['unit']}"
    return f"| {row['name']} | {value.strip()} | {ratio} | {goal} | {row['bound']} |"
