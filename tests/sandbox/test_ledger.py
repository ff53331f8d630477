"""The ledger tells what was done and exactly when, and what still stands."""

import json
import os
import resource
import signal
import time
from pathlib import Path

from gameday.sandbox.clock import boot
from gameday.sandbox.ledger import Ledger, LedgerLine, put_aside, read, standing

from .shop import Shop, eventually

TOXIC = {"name": "t", "type": "latency", "stream": "upstream", "attributes": {"latency": 5}}


def test_each_change_at_the_proxy_is_written_with_its_time(shop: Shop) -> None:
    since = boot()
    for method, path, body, what in (
        ("POST", "/proxies/payments/toxics", TOXIC, "toxic-added"),
        ("PATCH", "/proxies/payments/toxics/t", {"attributes": {"latency": 6}}, "toxic-updated"),
        ("DELETE", "/proxies/payments/toxics/t", None, "toxic-removed"),
        ("PATCH", "/proxies/payments", {"enabled": False}, "proxy-disabled"),
        ("PATCH", "/proxies/payments", {"enabled": True}, "proxy-enabled"),
        ("POST", "/reset", None, "reset"),
    ):
        sent = boot()
        assert shop.proxy(method, path, body).is_success
        answered = boot()
        line = shop.wrote(what, since=sent)[0]
        assert sent <= line.boot <= answered
        assert abs(line.wall - time.time()) < 5
        assert line.process == "proxy"
        assert line.pid == shop.instances("proxy")[0]["pid"]
        request = shop.wrote("request", since=sent, method=method, path=path)[0]
        assert request.boot == line.boot
    added = shop.wrote("toxic-added", since=since)[0].detail
    assert added == {
        "proxy": "payments",
        "toxic": "t",
        "type": "latency",
        "stream": "upstream",
        "toxicity": 1.0,
        "attributes": {"latency": 5, "jitter": 0},
    }


def test_a_request_that_changes_nothing_is_written_too(shop: Shop) -> None:
    sent = boot()
    assert shop.proxy("DELETE", "/proxies/payments/toxics/none").status_code == 404
    assert shop.control("DELETE", "/faults/error-rate/none").status_code == 200
    assert [line.process for line in shop.wrote("request", since=sent, method="DELETE")] == ["proxy", "supervisor"]
    assert shop.wrote("error-rate-cleared", since=sent) == []


def test_signals_are_written_when_they_strike(shop: Shop) -> None:
    one = shop.instances("inventory")[0]
    # Whatever other tests scaled or rolled back before: the first one need not be inventory-1.
    who = {"name": one["name"], "pid": one["pid"], "start": one["start"]}
    for number, what in (
        (signal.SIGSTOP, "instance-frozen"),
        (signal.SIGCONT, "instance-thawed"),
        (signal.SIGKILL, "instance-exited"),
    ):
        sent = boot()
        os.kill(one["pid"], number)
        line = eventually(lambda: shop.wrote(what, since=sent, **who))[0]  # noqa: B023
        assert sent <= line.boot < sent + 1
        assert line.process == "supervisor"
    assert line.detail["signal"] == signal.SIGKILL


def test_error_rates_are_written_by_the_supervisor_and_by_each_instance(shop: Shop) -> None:
    sent = boot()
    shop.control("POST", "/faults/error-rate", {"id": "f", "service": "checkout", "status": 500, "share": 0.1})
    shop.control("DELETE", "/faults/error-rate/f")
    for what in ("error-rate-set", "error-rate-cleared"):
        lines = shop.wrote(what, since=sent, id="f", service="checkout")
        assert sorted(line.process for line in lines) == ["checkout-1", "checkout-2", "supervisor"]
        assert lines[0].process == "supervisor"


def test_a_full_disk_keeps_nobody_from_undoing(shop: Shop) -> None:
    shop.proxy("POST", "/proxies/payments/toxics", {"name": "dark", "type": "timeout"})
    pid = shop.instances("proxy")[0]["pid"]
    # As on a full disk, no file of the proxy's can grow any more.
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    try:
        assert shop.proxy("DELETE", "/proxies/payments/toxics/dark").status_code == 204
        shop.sells()
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    # The lost line leaves the toxic standing in the ledger; a reset has nothing to take off.
    assert shop.standing() == ["toxic dark on proxy payments"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: shop.instances("proxy")[0]["pid"] not in (0, pid))


def line(at: float, what: str, process: str = "proxy", **detail: object) -> LedgerLine:
    """A line of the ledger."""
    return LedgerLine(at, at, process, 1, what, detail)


def test_what_stands() -> None:
    lines = [
        line(1, "toxic-added", proxy="a", toxic="t"),
        line(2, "proxy-disabled", proxy="b"),
        line(3, "instance-frozen", "supervisor", name="x-1", service="x"),
        line(4, "error-rate-set", "supervisor", id="e", service="x"),
        line(4, "error-rate-set", "x-1", id="e", service="x"),
    ]
    everything = ["toxic t on proxy a", "proxy b disabled", "instance x-1 frozen", "error rate e on x"]
    assert standing(lines) == everything
    for more, gone in (
        ([line(5, "toxic-removed", proxy="a", toxic="t")], {0}),
        ([line(5, "toxic-removed", proxy="b", toxic="t")], set()),
        ([line(5, "proxy-enabled", proxy="b")], {1}),
        ([line(5, "proxy-deleted", proxy="a")], {0}),
        ([line(5, "instance-thawed", "supervisor", name="x-1", service="x")], {2}),
        ([line(5, "instance-exited", "supervisor", name="x-1", service="x")], {2}),
        ([line(5, "error-rate-cleared", "x-1", id="e", service="x")], set()),
        ([line(5, "error-rate-cleared", "supervisor", id="e", service="x")], {3}),
        ([line(5, "instance-exited", "supervisor", name="proxy", service="proxy")], {0, 1}),
        ([line(5, "proxy-process-started")], {0, 1}),
        ([line(5, "sandbox-starting", "supervisor")], {0, 1, 2, 3}),
    ):
        assert standing(lines + more) == [text for index, text in enumerate(everything) if index not in gone]


def test_reading_sorts_by_arrival_and_skips_a_cut_line(tmp_path: Path) -> None:
    first, second = Ledger(tmp_path, "a"), Ledger(tmp_path, "b")
    first.write("late", received=20.0)
    second.write("early", received=10.0, number=1)
    with (tmp_path / "ledger" / "a.jsonl").open("a") as file:
        file.write('{"wall": 1.0, "boot": 2')
    assert [(found.boot, found.process, found.what) for found in read(tmp_path)] == [
        (10.0, "b", "early"),
        (20.0, "a", "late"),
    ]


def test_a_ledger_of_an_earlier_boot_is_put_aside(tmp_path: Path) -> None:
    book = Ledger(tmp_path, "a")
    book.write("now")
    put_aside(tmp_path)
    assert len(read(tmp_path)) == 1
    book.write("before the machine was started anew", received=boot() + 1_000_000)
    put_aside(tmp_path)
    assert read(tmp_path) == []
    kept = (tmp_path / "ledger.old" / "a.jsonl").read_text().splitlines()
    assert [json.loads(text)["what"] for text in kept] == ["now", "before the machine was started anew"]
