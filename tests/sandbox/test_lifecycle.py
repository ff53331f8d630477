"""The sandbox comes up, goes down, and leaves nothing behind, whatever is killed."""

import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest

from gameday.sandbox import control
from gameday.sandbox.processes import is_alive

from .shop import Shop, eventually, http, processes_of

PARTS = ("storefront", "checkout", "payments", "inventory", "proxy", "load", "alerts")


def test_up_answers_everywhere_and_down_leaves_nothing(state_dir: Path) -> None:
    found, started = control.up(state_dir)
    assert started
    # The supervisor, its nursery, the proxy, load, alerts, and five instances of four services.
    assert len(processes_of(state_dir)) == 10
    for url in (found.storefront, found.checkout, found.payments, found.inventory, found.load):
        assert http.get(url + "/health").json()["status"] == "ok"
    assert http.get(found.alertmanager + "/-/healthy").status_code == 200
    assert http.get(found.proxy + "/version").status_code == 200
    shop = Shop(found)
    # Whoever waited for the sandbox looks at these at once, so they must be those of a healthy shop already.
    seen = shop.seen_by_shoppers()
    assert seen["shop_error_rate"] == 0
    assert seen["shop_latency_p95_seconds"] > 0
    shop.sells()

    assert control.down(state_dir)

    assert processes_of(state_dir) == []
    assert control.find(state_dir) is None
    assert not control.down(state_dir)
    with pytest.raises(httpx.ConnectError):
        http.get(found.storefront + "/health")


def test_a_second_up_finds_the_first(shop: Shop) -> None:
    found, started = control.up(shop.state_dir)
    assert not started
    assert found == shop.sandbox == control.find(shop.state_dir)


def test_two_ups_at_once_make_one_sandbox_and_sigterm_ends_it(state_dir: Path) -> None:
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: control.up(state_dir), range(2))
    assert first[0] == second[0]
    assert sorted([first[1], second[1]]) == [False, True]
    assert len(processes_of(state_dir)) == 10

    os.kill(first[0].pid, signal.SIGTERM)
    eventually(lambda: not processes_of(state_dir), within=2)
    assert Shop(first[0]).wrote("sandbox-down")


def test_all_die_with_a_killed_supervisor_and_frozen_ones_with_down(own_shop: Shop) -> None:
    os.kill(own_shop.instances("inventory")[0]["pid"], signal.SIGSTOP)
    before = processes_of(own_shop.state_dir)
    assert len(before) == 10

    os.kill(own_shop.sandbox.pid, signal.SIGKILL)

    eventually(lambda: not processes_of(own_shop.state_dir), within=2)
    assert control.find(own_shop.state_dir) is None
    assert (own_shop.state_dir / "sandbox.json").exists()

    again, started = control.up(own_shop.state_dir)
    assert started
    assert again.pid != own_shop.sandbox.pid
    shop = Shop(again)
    shop.sells()
    assert shop.standing() == []

    for part in PARTS:
        os.kill(shop.instances(part)[0]["pid"], signal.SIGSTOP)
    assert control.down(own_shop.state_dir)
    assert processes_of(own_shop.state_dir) == []


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_process_comes_back_at_the_same_address(shop: Shop, part: str) -> None:
    victim = shop.instances(part)[0]
    os.kill(victim["pid"], signal.SIGKILL)

    eventually(lambda: shop.wrote("instance-exited", pid=victim["pid"], signal=9, wanted=False))
    back = eventually(
        lambda: next(
            (
                one
                for one in shop.instances(part)
                if one["state"] == "running" and one["name"] == victim["name"] and one["pid"] != victim["pid"]
            ),
            None,
        )
    )
    assert (back["port"], back["restarts"]) == (victim["port"], victim["restarts"] + 1)
    assert (
        http.get(
            f"http://127.0.0.1:{back['port']}"
            + ("/version" if part == "proxy" else "/-/healthy" if part == "alerts" else "/health")
        ).status_code
        == 200
    )
    shop.sells()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_nursery_that_is_gone_or_frozen_keeps_nobody_from_coming_back(state_dir: Path, number: int) -> None:
    shop = Shop(control.up(state_dir)[0])
    nursery = next(pid for pid in processes_of(state_dir) if Path(f"/proc/{pid}/comm").read_text() == "nursery\n")
    os.kill(nursery, number)
    os.kill(shop.instances("inventory")[0]["pid"], signal.SIGKILL)
    eventually(lambda: (one := shop.instances("inventory")[0])["restarts"] == 1 and one["state"] == "running")
    shop.sells()
    control.down(state_dir)
    assert processes_of(state_dir) == []


def test_a_sandbox_that_no_command_can_find_any_more_goes_down_by_itself(state_dir: Path) -> None:
    first, _ = control.up(state_dir)
    shutil.rmtree(state_dir)
    # Another one in its place is not the one that was.
    state_dir.mkdir()
    second, started = control.up(state_dir)
    assert started
    eventually(lambda: not is_alive(first.pid, first.start), within=10)
    assert control.status(second)["services"]["storefront"]["ready"] == 1
    shutil.rmtree(state_dir)
    eventually(lambda: not processes_of(state_dir), within=10)


def test_an_up_whose_caller_is_killed_midway_is_no_obstacle(state_dir: Path) -> None:
    code = f"from pathlib import Path; from gameday.sandbox import control; control.up(Path({str(state_dir)!r}))"
    caller = subprocess.Popen([sys.executable, "-c", code])
    eventually(lambda: (state_dir / "supervisor.lock").exists() and (state_dir / "supervisor.lock").read_text())
    caller.kill()
    caller.wait()
    assert control.down(state_dir)
    # One that was just being started may still be on its way out.
    eventually(lambda: not processes_of(state_dir))


def test_restarts_wait_longer_each_time_and_a_frozen_supervisor_goes_down(own_shop: Shop) -> None:
    def running_after(restarts: int) -> int:
        one = own_shop.instances("payments")[0]
        return one["pid"] if (one["state"], one["restarts"]) == ("running", restarts) else 0

    for restarts in range(3):
        os.kill(eventually(partial(running_after, restarts)), signal.SIGKILL)
    deaths = eventually(lambda: (found := own_shop.wrote("instance-exited", service="payments"))[2:] and found)
    starts = eventually(lambda: (found := own_shop.wrote("instance-started", service="payments"))[3:] and found)
    waits = [start.boot - death.boot for death, start in zip(deaths, starts[1:], strict=True)]
    for wait, wanted in zip(waits, (0.2, 0.4, 0.8), strict=True):
        assert wanted <= wait < 2 * wanted + 0.2

    os.kill(own_shop.sandbox.pid, signal.SIGSTOP)
    assert control.down(own_shop.state_dir, wait=2.0)
    assert processes_of(own_shop.state_dir) == []


def test_a_state_directory_that_cannot_be_is_said_clearly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(control.SandboxError, match=r"can't keep the sandbox's state in .*file/below"):
        control.up(tmp_path / "file" / "below")


def test_a_sandbox_that_cannot_come_up_in_time_is_taken_away(state_dir: Path) -> None:
    with pytest.raises(control.SandboxError, match="was not up in time and has been stopped"):
        control.up(state_dir, wait=0.05)
    eventually(lambda: not processes_of(state_dir), within=2)


def test_asking_where_nothing_runs_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(control.NotRunning, match="gameday sandbox up"):
        control.running(tmp_path)
