"""Rules of the house that no tool checks for us."""

import ast
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import workflows
from deploy.identities import identities
from signals import errors

ROOT = Path(__file__).parents[2]
PACKAGES = ("signals", "activities", "workflows", "workers", "deploy")
BANNED = {"utils", "util", "helpers", "helper", "common", "manager", "base", "service", "handler", "misc"}
MOST_LINES = 250
MOST_FUNCTION_LINES = 40
TABLES = {
    "deploy/identities.py:_rows",
    "deploy/crds.py:_commands",
    "deploy/admission.py:_network_policy_cage",
    "deploy/freezing.py:_shape",
    "workers/logs.py:start",
}
"""Functions that are one table: they have rows, not steps."""


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [path for path in sources(*PACKAGES) if path.stem in BANNED] == []


def test_the_errors_of_the_tree_are_drawn_in_it_and_there_is_no_other_root() -> None:
    classes = [thing for thing in vars(errors).values() if isinstance(thing, type)]
    assert all(issubclass(one, errors.FirebreakError) for one in classes)
    assert [one.__name__ for one in classes if one.__name__ not in str(errors.__doc__)] == []


def test_no_exception_is_defined_outside_of_the_tree() -> None:
    found = []
    for path in sources(*PACKAGES):
        if path == ROOT / "signals/errors.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
                found += [f"{path}:{node.lineno}" for base in bases if base in {"Exception", "BaseException"}]
    assert found == []


@pytest.mark.parametrize("module", [found.name for found in pkgutil.iter_modules(workflows.__path__)])
def test_a_workflow_module_reads_no_clock_no_chance_and_no_world(module: str) -> None:
    forbidden = {
        "now", "utcnow", "today", "time", "random", "uuid4", "getenv", "urandom", "open", "sleep", "print",
    }  # fmt: skip
    tree = ast.parse((ROOT / "workflows" / f"{module}.py").read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    bad = [
        ast.unparse(call)
        for call in calls
        if getattr(call, "attr", getattr(call, "id", "")) in forbidden
        and not ast.unparse(call).startswith("workflow.")
    ]
    assert bad == []


def test_our_own_packages_are_the_ones_that_are_imported() -> None:
    for name in PACKAGES:
        assert Path(str(importlib.import_module(name).__file__)).parent == ROOT / name


def test_modules_and_functions_fit_on_a_screen_or_two() -> None:
    long_modules, long_functions = [], []
    for path in sources(*PACKAGES):
        text = path.read_text()
        if text.count("\n") > MOST_LINES:
            long_modules.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))}")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                where = f"{path.relative_to(ROOT)}:{node.name}"
                if lines > MOST_FUNCTION_LINES and where not in TABLES:
                    long_functions.append(f"{where}: {lines}")
    assert (long_modules, long_functions) == ([], [])


def test_agents_without_temporal_do_not_load_it() -> None:
    script = """
import importlib, sys
import workers.__main__
agents = [importlib.import_module(f"workers.{name.replace('-', '_')}") for name in sys.argv[1].split()]
loaded = {name.partition(".")[0] for name in sys.modules} & {"temporalio", "slack_sdk", "networkx", "jinja2"}
wrong = [*loaded, *(one.AGENT.name for one in agents if one.AGENT.uses_temporal)]
sys.exit(" ".join(wrong) or 0)
"""
    without = " ".join(one.agent for one in identities() if not one.temporal)
    ran = subprocess.run(
        [sys.executable, "-c", script, without], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert without
    assert (ran.returncode, ran.stderr.strip()) == (0, "")


def test_the_lock_and_the_tree_name_no_index_and_no_machine() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }
    wanted = {
        entry.split(">")[0].split("=")[0].split("[")[0].strip().lower() for entry in project["dependencies"]
    }
    assert wanted - locked == set()
