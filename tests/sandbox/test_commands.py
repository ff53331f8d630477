"""`gameday sandbox …`: what it prints where, and its exit codes."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gameday.sandbox import control
from gameday.sandbox.clock import boot
from gameday.sandbox.commands import sandbox
from gameday.sandbox.shop import SERVICE_NAMES, WITHOUT

from .shop import Shop, eventually


def run(*words: str, state_dir: Path | None = None) -> Result:
    """The command's result."""
    environment = {"GAMEDAY_SANDBOX": str(state_dir)} if state_dir else {}
    return CliRunner().invoke(sandbox, list(words), env=environment)


def test_up_and_down(state_dir: Path) -> None:
    done = run("up", "--state-dir", str(state_dir))
    assert done.exit_code == 0
    found = control.running(state_dir)
    assert done.stdout == f"{found.storefront}/\n"
    assert "the shop is open after" in done.stderr
    again = run("up", state_dir=state_dir)
    assert (again.exit_code, again.stdout) == (0, done.stdout)
    assert "up already" in again.stderr

    assert run("down", state_dir=state_dir).exit_code == 0
    assert control.find(state_dir) is None
    twice = run("down", state_dir=state_dir)
    assert (twice.exit_code, twice.stderr) == (0, "no sandbox was running\n")


def test_status_as_text_and_as_json(shop: Shop) -> None:
    shop.control("POST", "/faults/error-rate", {"id": "f", "service": "payments", "status": 503, "share": 0.25})
    text = run("status", state_dir=shop.state_dir).stdout.splitlines()
    rows = [line.split() for line in text]
    pid = str(shop.instances("checkout")[0]["pid"])
    assert ["checkout", "2/2", "checkout-1", "running", pid, "v1"] in [row[:6] for row in rows]
    assert any(row[:2] == ["payments-fallback", "off"] for row in rows)
    assert ["f", "payments", "503", "25%"] in rows
    assert not any(line.endswith(" ") for line in text)

    data = json.loads(run("status", "--json", state_dir=shop.state_dir).stdout)
    assert data["addresses"]["control"] == shop.sandbox.control
    assert data["services"]["checkout"]["desired"] == 2


def test_scale_flag_rollback(shop: Shop) -> None:
    assert run("scale", "inventory", "2", state_dir=shop.state_dir).stderr == "inventory: 1 → 2\n"
    assert shop.service("inventory")["desired"] == 2
    assert run("flag", "inventory-cache", "on", state_dir=shop.state_dir).exit_code == 0
    assert shop.status()["flags"]["inventory-cache"]
    assert run("rollback", "payments", state_dir=shop.state_dir).stderr == "payments: v2 → v1\n"
    assert shop.service("payments")["version"] == "v1"


def test_a_second_rollback_does_not_lead_forward_again(shop: Shop) -> None:
    """Two people who both think of it in an incident."""
    assert run("rollback", "payments", state_dir=shop.state_dir).stderr == "payments: v2 → v1\n"
    deploys, begun = shop.status()["deploys"], boot()
    again = run("rollback", "payments", state_dir=shop.state_dir)
    assert again.exit_code == 0
    assert "back at v1 already" in again.stderr
    assert "gameday sandbox rollback payments --to v2" in again.stderr
    assert (shop.service("payments")["version"], shop.status()["deploys"]) == ("v1", deploys)
    assert shop.wrote("rollback", begun) == []

    wrong = run("rollback", "payments", "--to", "v3", state_dir=shop.state_dir)
    assert (wrong.exit_code, wrong.stderr) == (2, "gameday: payments was never at 'v3'; did you mean 'v2'?\n")
    forward = run("rollback", "payments", "--to", "v2", state_dir=shop.state_dir)
    assert forward.stderr == "payments: v1 → v2\n"
    assert [(one["version"], one["kind"]) for one in shop.status()["deploys"][-1:]] == [("v2", "deploy")]
    assert "at v2 already" in run("rollback", "payments", "--to", "v2", state_dir=shop.state_dir).stderr
    assert run("rollback", "payments", state_dir=shop.state_dir).stderr == "payments: v2 → v1\n"


def on_a_terminal(shop: Shop, *words: str, keys: str) -> tuple[int, str]:
    """The command with a terminal where `keys` are typed: exit code, and what it said there."""
    controller, terminal = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "gameday", "sandbox", *words, "--state-dir", str(shop.state_dir)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.write(controller, keys.encode())
        code = process.wait(30)
        return code, os.read(controller, 10_000).decode()
    finally:
        os.close(terminal)
        os.close(controller)


def test_having_no_instance_at_all_is_asked_on_a_terminal(shop: Shop) -> None:
    code, said = on_a_terminal(shop, "scale", "inventory", "0", keys="n\n")
    assert (code, shop.service("inventory")["desired"]) == (5, 1), said
    assert "no order can be placed, unless the flag inventory-cache is on" in said
    assert "left as it is" in said
    code, said = on_a_terminal(shop, "scale", "inventory", "0", keys="y\n")
    assert (code, shop.service("inventory")["desired"]) == (0, 0), said
    assert run("scale", "inventory", "1", state_dir=shop.state_dir).stderr == "inventory: 0 → 1\n"
    code, said = on_a_terminal(shop, "scale", "inventory", "0", "--yes", keys="")
    assert (code, shop.service("inventory")["desired"]) == (0, 0), said
    run("scale", "inventory", "1", state_dir=shop.state_dir)
    unasked = run("scale", "inventory", "0", state_dir=shop.state_dir)
    assert (unasked.exit_code, shop.service("inventory")["desired"]) == (0, 0), "a script is not asked"
    assert "no order can be placed" in unasked.stderr


def test_every_service_says_what_it_means_to_have_none_of_it() -> None:
    assert WITHOUT.keys() == set(SERVICE_NAMES)


def test_logs_as_text_and_as_they_are(shop: Shop) -> None:
    shop.proxy("PATCH", "/proxies/payments", {"enabled": False})
    shop.buy()
    eventually(lambda: "connection refused" in run("logs", "checkout", state_dir=shop.state_dir).stdout)
    text = run("logs", "checkout", state_dir=shop.state_dir).stdout
    assert 'cause="payments: connection refused"' in text
    raw = run("logs", "checkout", "--json", state_dir=shop.state_dir).stdout.splitlines()
    assert {json.loads(line)["service"] for line in raw} == {"checkout"}


def test_ledger(shop: Shop) -> None:
    shop.proxy("POST", "/proxies/payments/toxics", {"name": "dark", "type": "timeout"})
    done = run("ledger", state_dir=shop.state_dir)
    assert any("toxic-added" in line and "toxic=dark" in line for line in done.stdout.splitlines())
    assert done.stderr == "standing: toxic dark on proxy payments\n"
    raw = [json.loads(line) for line in run("ledger", "--json", state_dir=shop.state_dir).stdout.splitlines()]
    assert raw[-1].keys() == {"wall", "boot", "process", "pid", "what", "detail"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("scale", "chekout", "3"), "gameday: no service 'chekout'; did you mean 'checkout'?\n"),
        (("scale", "checkout", "99"), "gameday: replicas is a whole number from 0 to 10, not 99\n"),
        (("scale", "checkout", "-1"), "gameday: replicas is a whole number from 0 to 10, not -1\n"),
        (("flag", "inventory-cach", "on"), "gameday: no flag 'inventory-cach'; did you mean 'inventory-cache'?\n"),
        (("rollback", "paymets"), "gameday: no service 'paymets'; did you mean 'payments'?\n"),
        (("logs", "strefront"), "gameday: no service 'strefront'; did you mean 'storefront'?\n"),
    ],
)
def test_bad_names_exit_2_with_the_nearest_right_word(shop: Shop, words: tuple[str, ...], said: str) -> None:
    done = run(*words, state_dir=shop.state_dir)
    assert (done.exit_code, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    "words",
    [("status",), ("scale", "checkout", "3"), ("flag", "inventory-cache", "on"), ("logs", "checkout"), ("ledger",)],
)
def test_where_nothing_runs_they_exit_1(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run(*words, state_dir=tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("gameday: ")
