"""Which test proves which fault, so that the catalogue in the documentation can say it without taking anybody's word.

A test is marked `@pytest.mark.proves("latency", "kubernetes/chaos-mesh")`: it takes the fault through its whole life
there and looks at the effect itself. Which there are is read from the sources. That one has passed on a real cluster
is written down by a run with `--proofs` (docs/proofs.json), with a digest of the test's text: a test that was changed
since proves nothing there until it has run again.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "docs" / "proofs.json"
_NEVER = ("skip", "skipif", "xfail")


@dataclass(frozen=True)
class Proof:
    """One test that is marked to prove a fault by a backend."""

    fault: str
    backend: str
    test: str
    """E.g. `tests/faults/test_lives.py::test_whole_life`."""
    digest: str
    only_real: bool = False
    """It can show nothing on the double: `proves(…, only="real")`."""


def claimed(folder: Path = ROOT / "tests") -> list[Proof]:
    """All marked tests; those that are skipped or expected to fail prove nothing."""
    return [one for path in sorted(folder.rglob("test_*.py")) for one in _in_file(path)]


def recorded(path: Path = RECORD) -> dict[str, dict[str, str]]:
    """Test -> the digest with which it passed on a real cluster, and that cluster's version."""
    found: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _in_file(path: Path) -> Iterator[Proof]:
    text = path.read_text()
    if "mark.proves(" not in text:
        return
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        marks = [(_mark(one), one) for one in node.decorator_list]
        if any(name in _NEVER for name, _ in marks):
            continue
        test = f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}::{node.name}"
        for name, one in marks:
            if name == "proves" and isinstance(one, ast.Call):
                fault, backend = (ast.literal_eval(argument) for argument in one.args)
                yield Proof(fault, backend, test, _digest(text, node), only_real=bool(one.keywords))


def _mark(decorator: ast.expr) -> str:
    """`skipif` of `@pytest.mark.skipif(…)`; "" for other decorators."""
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    is_mark = isinstance(name, ast.Attribute) and isinstance(name.value, ast.Attribute) and name.value.attr == "mark"
    return name.attr if is_mark and isinstance(name, ast.Attribute) else ""


def _digest(text: str, node: ast.FunctionDef) -> str:
    assert node.end_lineno is not None
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    own = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    return hashlib.sha256(own.encode()).hexdigest()[:16]


# --- as a plugin: see tests/conftest.py ------------------------------------------------------------------------------

_passed: dict[str, str] = {}
_failed: set[str] = set()


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(
        "--proofs",
        action="store_true",
        help="write down which marked tests passed on a real cluster (docs/proofs.json)",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "proves(fault, backend, only=None): takes the fault through its life there and looks at the effect itself",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.when == "call" and getattr(cluster, "is_real", False) and item.get_closest_marker("proves"):
        version = cluster.ask("GET", "/version")["gitVersion"]
        report.user_properties.append(("proved on", f"Kubernetes {version}"))
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    test = report.nodeid.partition("[")[0]
    if report.failed:
        _failed.add(test)
    for name, value in report.user_properties if report.when == "call" and report.passed else ():
        if name == "proved on":
            _passed[test] = str(value)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.getoption("--proofs") or hasattr(session.config, "workerinput"):
        return
    digests = {one.test: one.digest for one in claimed()}
    found = {test: one for test, one in recorded().items() if test not in _failed and test in digests}
    for test, server in _passed.items():
        if test not in _failed and test in digests:
            found[test] = {"digest": digests[test], "server": server}
    RECORD.write_text(json.dumps(dict(sorted(found.items())), indent=2) + "\n")
