"""docs/faults.md is what the code says, and calls proved only what a test proves."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from docs import faults
from docs.generate import FAULTS
from gameday.faults.catalogue import all_faults
from tests.support import proofs
from tests.support.proofs import Proof, claimed

KILL = ("pod-kill", "kubernetes/api")


def cell(page: str, fault: str, column: str) -> str:
    """What the overview says of a fault by a backend."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line[:1] == "|"]
    names = next(row for row in rows if row[0] == "fault")
    return next(row for row in rows if row[0].startswith(f"[`{fault}`]"))[names.index(column)]


def test_the_page_is_up_to_date() -> None:
    assert FAULTS.read_text() == faults.page(), "run `make docs`"


def test_every_fault_backend_parameter_and_right_is_on_it() -> None:
    page = faults.page()
    for name, declaration in all_faults().items():
        (section,) = (part for part in page.split("\n## ") if part.startswith(f"{name}\n"))
        for parameter, field in declaration.parameters.model_fields.items():
            assert f"| `{field.alias or parameter}` | " in section and faults.cell(str(field.description)) in section
        for backend in declaration.backends.values():
            told = (backend.touches, backend.undone_by, backend.effective_when, backend.recovered_when)
            assert all(faults.cell(text) in section for text in (*told, *backend.permissions))
        assert declaration.example.strip() in section


def test_what_no_test_proves_is_not_called_proved() -> None:
    page = faults.page([], {})
    for name, declaration in all_faults().items():
        assert page.count(f"[`{name}`]") == 1
        (section,) = (part for part in page.split("\n## ") if part.startswith(f"{name}\n"))
        assert section.count("not proved") == len(declaration.backends)
        assert "**" not in section


def test_a_mark_names_what_the_catalogue_has() -> None:
    assert faults.unknown(claimed()) == []
    assert faults.unknown([Proof("latency", "kubernetes/magic", "t", "d")]) != []


def test_real_is_what_has_passed_there_as_it_is_written_now() -> None:
    proof = Proof(*KILL, "tests/x.py::test_kill", "abc")
    column = "Kubernetes, plain API"
    assert cell(faults.page([proof], {}), "pod-kill", column) == "**double**"
    record = {proof.test: {"digest": "abc", "server": "Kubernetes v1.36.2"}}
    assert cell(faults.page([proof], record), "pod-kill", column) == "**real**"
    assert "| **real** (Kubernetes v1.36.2) |" in faults.page([proof], record)
    changed = {proof.test: {"digest": "abd", "server": "Kubernetes v1.36.2"}}
    assert cell(faults.page([proof], changed), "pod-kill", column) == "**double**"
    assert cell(faults.page([], record), "pod-kill", column) == "not proved"
    blind = dataclasses.replace(proof, only_real=True)
    assert cell(faults.page([blind], {}), "pod-kill", column) == "not proved"
    assert cell(faults.page([blind], record), "pod-kill", column) == "**real**"


def test_marks_are_read_from_the_sources(tmp_path: Path) -> None:
    test = tmp_path / "test_x.py"
    mark = '@pytest.mark.proves("pod-kill", "kubernetes/api")\n'
    body = "def test_kill(cluster: Cluster) -> None:\n    assert cluster\n"
    test.write_text(f"{mark}{body}")
    (found,) = claimed(tmp_path)
    assert (found.fault, found.backend, found.test) == (*KILL, "test_x.py::test_kill")
    test.write_text(f"\n\n{mark}{body}")
    assert claimed(tmp_path) == [found], "where it stands is no matter"
    test.write_text(f"{mark}{body}    assert cluster.pods\n")
    (changed,) = claimed(tmp_path)
    assert changed.digest != found.digest
    test.write_text(f"{mark[:-2]}, only='real')\n{body}")
    assert claimed(tmp_path)[0].only_real
    for never in ("skip", 'skip(reason="x")', "xfail", 'skipif(True, reason="x")'):
        test.write_text(f"@pytest.mark.{never}\n{mark}{body}")
        assert claimed(tmp_path) == []


def test_what_is_recorded_is_of_tests_that_are_there() -> None:
    assert set(proofs.recorded()) <= {one.test for one in claimed()}
