"""`gameday report` and `gameday action` against a real store, through the command's own entry."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gameday.cli.action import due_date
from gameday.cli.main import main
from gameday.errors import Exit, UsageError
from gameday.exercise.events import MilestoneReached
from gameday.exercise.record import Record
from gameday.store import open_store
from gameday.store.holder import Holder
from tests.debrief.journals import EVENING, payment_outage

Run = Callable[..., int]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with the sample exercise, ended and released."""
    monkeypatch.chdir(tmp_path)
    url = str(tmp_path / "store.db")
    records = payment_outage()
    with open_store(url) as opened:
        epoch = opened.create(records[0], Holder.mine())
        opened.append("7f3a9c", epoch, records[1:])
        opened.release_lease("7f3a9c", epoch)
    return url


@pytest.fixture
def run(store: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    def gameday(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["gameday", *words, "--store", store])
        return main()

    return gameday


def test_report_prints_the_paths_and_nothing_else(run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("report", "7f3", "--format", "md,html,json", "--output", "out") == Exit.OK
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines() == [f"out/2026-11-20-payment-outage-7f3a9c.{e}" for e in ("md", "html", "json")]
    assert all((tmp_path / path).stat().st_size > 1000 for path in printed.out.splitlines())


def test_show_and_the_debrief_say_the_same_moment_of_detection(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with open_store(str(tmp_path / "store.db")) as opened:
        last, epoch = opened.records("7f3a9c")[-1], opened.take_lease("7f3a9c", Holder.mine())
        noticed = MilestoneReached("detected", detection="person")
        opened.append(
            "7f3a9c", epoch, [Record(last.seq + 1, EVENING + 95, 95.0, last.wall, epoch, "cli", "Ada", noticed)]
        )
        opened.release_lease("7f3a9c", epoch)
    run("report", "7f3", "--format", "json", "--output", "out")
    capsys.readouterr()
    run("show", "7f3", "--json")
    reached = {one["milestone"]: one for one in json.loads(capsys.readouterr().out)["reached"]}
    run("show", "7f3")
    table = capsys.readouterr().out
    debrief = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    ttd = next(row for row in debrief["timings"] if row["key"] == "ttd")
    assert (reached["detected"]["clock"], reached["detected"]["event"]) == (ttd["end"]["clock"], ttd["to_event"])
    rows = [" ".join(row.split()) for row in table.splitlines() if "detected" in row]
    assert rows == ["+1:28 detected alert alert CheckoutErrors fired", "+1:35 detected (not the first) cli Ada"]


def test_report_without_an_id_takes_the_latest_and_goes_to_reports(run: Run, tmp_path: Path) -> None:
    assert run("report", "--format", "md") == Exit.OK
    assert [path.suffix for path in (tmp_path / "reports").iterdir()] == [".md"]


@pytest.mark.parametrize("words", [("report", "--format", "pdf"), ("report", "--format", ","), ("report", "zzz")])
def test_report_says_what_is_wrong(run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    assert run(*words) == Exit.INVALID
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("gameday: ")


def test_an_action_is_added_listed_closed_and_in_the_report(
    run: Run, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = (
        "--what",
        "Checkout retries once",
        "--owner",
        "Grace",
        "--due",
        "2w",
        "--verify",
        "a run",
        "--retest",
        "pod-kill",
    )
    assert run("action", "add", "7f3a9c", *words) == Exit.OK
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("A3\n", "")
    assert run("action", "list", "7f3", "--open", "--json") == Exit.OK
    listed = json.loads(capsys.readouterr().out)
    assert [item["action"] for item in listed] == ["A1", "A3"]
    due = (datetime.now(UTC).date() + timedelta(days=14)).isoformat()
    assert listed[1] == {
        "exercise": "7f3a9c",
        "action": "A3",
        "what": "Checkout retries once",
        "owner": "Grace",
        "due": due,
        "verify": "a run",
        "retest": "pod-kill",
        "open": True,
        "overdue": False,
        "how": "",
    }
    assert run("action", "close", "7f3", "a3", "--how", "released") == Exit.OK
    assert run("action", "list") == Exit.OK
    assert "A3   closed" in capsys.readouterr().out
    assert run("report", "--format", "md") == Exit.OK
    (report,) = (tmp_path / "reports").iterdir()
    assert "| ☑ A3 | Checkout retries once | Grace |" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs --what, --owner, --due"),
        (("--what", "x", "--due", "2w"), "needs --owner"),
        (("--what", "x", "--owner", "  ", "--due", "2w"), "needs --owner"),
        (("--what", "x", "--owner", "Ada"), "needs --due"),
        (("--what", "x", "--owner", "Ada", "--due", "soon"), "write a day, such as"),
    ],
)
def test_an_action_without_owner_and_due_date_is_an_error(
    run: Run, store: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert run("action", "add", "7f3", *words) == Exit.INVALID
    assert said in capsys.readouterr().err
    with open_store(store) as opened:
        assert opened.last_seq("7f3a9c") == len(payment_outage())
        assert not opened.lease("7f3a9c").held(0)


def test_weak_wording_warns_and_is_taken(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("action", "add", "7f3", "--what", "Be more careful", "--owner", "Ada", "--due", "2020-01-01") == Exit.OK
    printed = capsys.readouterr()
    assert printed.out == "A3\n"
    assert "weak wording, “Be more careful”" in printed.err
    assert "2020-01-01 has passed already" in printed.err
    assert "--verify" in printed.err


def test_closing_what_is_not_there_or_closed_already(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("action", "close", "7f3", "A9") == Exit.INVALID
    assert "it has: A1, A2" in capsys.readouterr().err
    assert run("action", "close", "7f3", "A2") == Exit.INVALID
    assert "closed already: replaced by A1" in capsys.readouterr().err


def test_while_an_engine_runs_the_journal_is_its_own(run: Run, store: str, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(store) as opened:
        epoch = opened.take_lease("7f3a9c", Holder.mine(1))
        assert run("action", "add", "7f3", "--what", "x", "--owner", "Ada", "--due", "2w") == Exit.REFUSED
        assert "gameday note" in capsys.readouterr().err
        opened.append("7f3a9c", epoch, [])  # its lease was not taken away


def test_a_store_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["gameday", "action", "list", "--json", "--store", str(tmp_path / "no.db")])
    assert main() == Exit.OK
    assert json.loads(capsys.readouterr().out) == []
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize(
    ("text", "day"), [("2026-12-01", date(2026, 12, 1)), ("10d", date(2026, 11, 30)), (" 2W ", date(2026, 12, 4))]
)
def test_due_dates(text: str, day: date) -> None:
    assert due_date(text, date(2026, 11, 20)) == day


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "tomorrow", "2", "9999w", "2026-1-1", "-2w"])
def test_what_is_not_a_due_date(text: str) -> None:
    with pytest.raises(UsageError, match="--due"):
        due_date(text, date(9900, 11, 20))
