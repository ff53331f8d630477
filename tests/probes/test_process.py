"""The process probe: exit codes and output, and that nothing it started outlives the ask."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from gameday.engine.ports import Answer
from gameday.probes.judge import holds
from gameday.probes.prober import LiveProber
from gameday.probes.process import LARGEST_OUTPUT

from .asking import ask_of, run, target, until
from .servers import silent


def ask(*command: str, timeout: float = 5.0, **keys: Any) -> Answer:
    return ask_of(silent, lambda _: {"process": {"command": list(command), "timeout": timeout, **keys}}, timeout)


def gone(pid: int) -> bool:
    """Whether a process has ended; a zombie that waits for somebody else to reap it has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize(("code", "value"), [("0", 0), ("3", 3), ("255", 255)])
def test_exit_codes(code: str, value: int) -> None:
    answer = ask("sh", "-c", f"echo some words >&2; exit {code}")
    assert (answer.kind, answer.value, answer.detail) == ("value", value, "some words")


def test_a_signal_is_minus_its_number() -> None:
    assert ask("sh", "-c", "kill -TERM $$").value == -15


def test_output_is_stripped_and_arguments_go_without_a_shell() -> None:
    assert ask("printf", " %s|\\n", "$HOME; exit 1", read="stdout").value == "$HOME; exit 1|"


def test_a_number_that_is_printed_is_a_number() -> None:
    answer = ask("echo", "42", read="stdout").to_json()
    assert holds({"equals": 42}, answer)
    assert holds({"above": 41}, answer)
    assert not holds({"equals": 41}, answer)


@pytest.mark.parametrize(
    ("script", "kind", "told"),
    [
        ("exit 0", "no_data", "printed nothing"),
        ("echo 5; echo broken >&2; exit 1", "error", "exit code 1; it said: broken"),
    ],
)
def test_output_that_there_is_not(script: str, kind: str, told: str) -> None:
    answer = ask("sh", "-c", script, read="stdout")
    assert (answer.kind, answer.value) == (kind, None)
    assert told in answer.detail


def test_output_beyond_the_limit_is_thrown_away_and_blocks_nothing() -> None:
    script = "import sys; sys.stdout.write('x' * 10_000_000); sys.stderr.write('y' * 1_000_000)"
    answer = ask(sys.executable, "-c", script, read="stdout")
    assert answer.value == "x" * LARGEST_OUTPUT
    assert "cut" in answer.detail


def test_bytes_that_are_no_text_are_still_an_answer() -> None:
    answer = ask("printf", r"\377\376a\000b", read="stdout")
    assert answer.kind == "value"
    answer.value.encode("utf-8")
    assert "\0" not in answer.value


@pytest.mark.parametrize("command", [["/no/such/program"], ["/"], ["/etc/passwd"], ["a\0b"], [""], []])
def test_what_cannot_be_started_is_an_error(command: list[str]) -> None:
    answer = ask(*command)
    assert answer.kind == "error"
    assert answer.detail


def test_endless_output_and_a_deaf_program_are_killed_in_time() -> None:
    for script in ("yes", "trap '' TERM INT HUP; while :; do sleep 1; done"):
        answer = ask("sh", "-c", script, timeout=0.4, read="stdout")
        assert (answer.kind, answer.value) == ("unreachable", None)
        assert "killed" in answer.detail


@pytest.mark.parametrize(
    ("ending", "kind"), [("sleep 100", "unreachable"), ("exit 0", "value")], ids=["on timeout", "at its normal end"]
)
def test_grandchildren_go_with_it(tmp_path: Path, ending: str, kind: str) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 100 & echo $! > {pids}; (trap '' TERM; sleep 100) & echo $! >> {pids}; echo $$ >> {pids}; {ending}"
    answer = ask("sh", "-c", script, timeout=1.0, read="exit")
    assert answer.kind == kind
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: gone(pid))


def test_a_cancelled_ask_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    async def test() -> None:
        prober = LiveProber(target())
        asking = asyncio.create_task(
            prober.ask({"process": {"command": ["sh", "-c", f"echo $$ > {file}; sleep 100"], "timeout": "60s"}})
        )
        while not (file.exists() and file.read_text().strip()):
            await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await prober.close()

    run(test())
    pid = int(file.read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_nothing_is_left_open_after_many(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def test() -> None:
        prober = LiveProber(target())
        await prober.ask({"process": {"command": ["true"]}})
        before = open_files()
        for command in (["true"], ["/no/such"], ["sleep", "9"]):
            for _ in range(5):
                await prober.ask({"process": {"command": command, "timeout": 0.05 if command[0] == "sleep" else 5.0}})
        assert open_files() == before
        await prober.close()

    run(test())


def test_without_pidfds_it_works_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, flags: int = 0) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert ask("sh", "-c", "exit 4").value == 4
    assert ask("sleep", "9", timeout=0.3).kind == "unreachable"
