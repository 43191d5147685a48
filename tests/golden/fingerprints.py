"""The commands of each workflow, in the order in which its code gives them: seen without running anything.

A replay finds out what a recorded run meets. This finds every change of order, also where no recorded run comes by.
"""

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import workflows
from tests.golden.shelf import GOLDEN

FINGERPRINTS = GOLDEN / "fingerprints.json"
CODE = Path(str(workflows.__file__)).parent

COMMANDS = frozenset(
    {
        "execute_activity", "execute_activity_method", "start_activity", "start_activity_method",
        "execute_local_activity", "execute_local_activity_method", "start_local_activity",
        "start_local_activity_method", "execute_child_workflow", "start_child_workflow",
        "get_external_workflow_handle", "signal", "cancel", "sleep", "wait_condition", "continue_as_new",
        "patched", "deprecate_patch", "upsert_memo", "upsert_search_attributes",
    }
)  # fmt: skip
"""Calls that become commands, or decide which do. `wait_condition` is one only with a timeout."""

Sequences = dict[str, list[str]]
"""The commands of each function, by `module.Class.function`."""

WHAT_TO_DO = """\
{workflow}: the commands of {function} are not those that were recorded any more.
    before: {before}
    now:    {now}
A run that is open when this is deployed may stop there for ever. If one can come by:
    1. put the change behind `if workflow.patched("what-changes"):`, with the old way in the `else`;
    2. add what is new as a case in tests/golden/cases.py and run `python -m tests.golden`, which only adds;
    3. run `make replay`.
Then, or if none can, `python -m tests.golden --fingerprints` records the new sequence."""


class _Commands(ast.NodeVisitor):
    """Collects, in the order of the source, what a function commands and which of `calls` it calls."""

    def __init__(self, calls: frozenset[str], doers: frozenset[str]) -> None:
        self._calls, self._doers = calls, doers
        self.found: list[str] = []

    def visit_Call(self, node: ast.Call) -> None:
        for part in (node.func, *node.args, *node.keywords):
            self.visit(part)
        name = _name(node.func)
        if name in COMMANDS and (name != "wait_condition" or _timed(node)):
            self.found.append(name + _literal(node, name))
        elif name in self._calls:
            self.found.append(f"→ {name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and node.value.id in self._doers:
            self.found.append(f"{node.value.id}.{node.attr}")
        self.generic_visit(node)


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _timed(node: ast.Call) -> bool:
    return any(keyword.arg in ("timeout", None) for keyword in node.keywords)


def _literal(node: ast.Call, name: str) -> str:
    """Return what is sent, started or patched, where the source says so."""
    if name in ("signal", "patched", "deprecate_patch", "start_child_workflow", "execute_child_workflow"):
        return f"({ast.unparse(node.args[0])})" if node.args else ""
    return ""


def _functions(code: Path) -> dict[str, dict[str, ast.AST]]:
    """Return every function of every module, by module and qualified name."""
    found: dict[str, dict[str, ast.AST]] = {}
    for path in sorted(code.glob("*.py")):
        inside = found.setdefault(path.stem, {})
        for node in ast.parse(path.read_text()).body:
            of_class = node.body if isinstance(node, ast.ClassDef) else [node]
            prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            inside |= {
                prefix + one.name: one
                for one in of_class
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def _imports(path: Path, package: str) -> set[str]:
    """Return what a module takes from a package: names for `activities`, modules for our own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
            below = (node.module or "").split(".")[1:]
            found |= set(below) if below and package == "workflows" else {name.name for name in node.names}
    return found


def _reached(code: Path, module: str) -> set[str]:
    """Return a module and every module of ours that it reaches."""
    reached: set[str] = set()
    waiting = {module}
    while waiting:
        one = waiting.pop()
        reached.add(one)
        waiting |= _imports(code / f"{one}.py", "workflows") - reached
    return reached


def _commanding(functions: Mapping[str, ast.AST], doers: frozenset[str]) -> frozenset[str]:
    """Return the names of all functions that command something, themselves or through others."""
    known: frozenset[str] = frozenset()
    while True:
        grown = frozenset(
            name.rpartition(".")[2] for name, node in functions.items() if _sequence(node, known, doers)
        )
        if grown == known:
            return known
        known = grown


def _sequence(node: ast.AST, calls: frozenset[str], doers: frozenset[str]) -> list[str]:
    visitor = _Commands(calls, doers)
    for one in node.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else ():
        visitor.visit(one)
    return visitor.found


def _defined(code: Path) -> Iterable[tuple[str, str]]:
    """Return every workflow, with its module."""
    for path in sorted(code.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and any(
                "workflow.defn" in ast.unparse(one) for one in node.decorator_list
            ):
                yield node.name, path.stem


def fingerprints(code: Path = CODE) -> dict[str, Sequences]:
    """Return the command sequences of each workflow, by its name."""
    modules = _functions(code)
    found = {}
    for workflow, module in _defined(code):
        reached = sorted(_reached(code, module))
        functions = {f"{one}.{name}": node for one in reached for name, node in modules[one].items()}
        doers = frozenset().union(*(_imports(code / f"{one}.py", "activities") for one in reached))
        calls = _commanding(functions, doers)
        sequences = {name: _sequence(node, calls, doers) for name, node in functions.items()}
        found[workflow] = {name: sequence for name, sequence in sorted(sequences.items()) if sequence}
    return found


def recorded() -> dict[str, Sequences]:
    """Return the sequences that are committed."""
    told: dict[str, Sequences] = json.loads(FINGERPRINTS.read_text())
    return told


def record(path: Path = FINGERPRINTS) -> None:
    """Write today's sequences."""
    path.write_text(json.dumps(fingerprints(), indent=1, ensure_ascii=False) + "\n")


def differences(before: Mapping[str, Sequences], now: Mapping[str, Sequences]) -> list[str]:
    """Return what to do about each function whose commands changed."""
    return [
        WHAT_TO_DO.format(
            workflow=workflow,
            function=function,
            before=", ".join(before.get(workflow, {}).get(function, [])) or "none",
            now=", ".join(now.get(workflow, {}).get(function, [])) or "none",
        )
        for workflow in sorted({*before, *now})
        for function in sorted({*before.get(workflow, {}), *now.get(workflow, {})})
        if before.get(workflow, {}).get(function) != now.get(workflow, {}).get(function)
    ]
