"""The prober: measures, names, activities, many at once, and the form for workers."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gameday.engine.ports import Answer, Json
from gameday.probes import sync
from gameday.probes.judge import holds
from gameday.probes.prober import ACTIVITY, LiveProber
from gameday.scenario.models import Check

from .asking import SLACK, ask_of, run, target
from .servers import json_page, page, serving, silent

MEASURES = {
    "error-rate": {"metrics": {"name": "shop_error_rate"}},
    "with-braces": {"http": {"url": "${shop}/", "method": "POST", "body": "$${shop} ${shop}"}},
    "lost": {"http": {"url": "${shpo}/"}},
    "of-a-measure": {"measure": "error-rate"},
}


def test_a_measure_is_the_targets_own_probe() -> None:
    async def test() -> None:
        async with serving(page(b"shop_error_rate 0.5\n")) as server:
            prober = LiveProber(target(names={"metrics": server.url, "shop": server.url}, measures=MEASURES))
            assert (await prober.ask({"measure": "error-rate"})).value == 0.5
            assert (await prober.ask({"measure": "with-braces"})).value == 200
            lost = await prober.ask({"measure": "lost"})
            assert (lost.kind, "did you mean 'shop'?" in lost.detail) == ("error", True)
            unknown = await prober.ask({"measure": "eror-rate"})
            assert (unknown.kind, "did you mean 'error-rate'?" in unknown.detail) == ("error", True)
            assert (await prober.ask({"measure": "of-a-measure"})).kind == "error"
            await prober.close()

    run(test())


def test_text_of_a_scenario_is_sent_as_it_stands() -> None:
    """Its names were filled in when it was loaded; what still looks like one is meant literally."""

    async def test() -> list[str]:
        from .servers import Reader, Writer

        bodies: list[str] = []

        async def behave(reader: Reader, writer: Writer) -> None:
            bodies.append((await reader.readexactly(7)).decode())
            await page(b"")(reader, writer)

        async with serving(behave) as server:
            prober = LiveProber(target(names={"shop": server.url}))
            await prober.ask({"http": {"url": server.url, "method": "POST", "body": "${shop}"}})
            await prober.close()
        return bodies

    assert run(test()) == ["${shop}"]


def activity_prober(result: Any) -> tuple[LiveProber, list[tuple[str, dict[str, Json], float]]]:
    calls = []

    async def run_call(name: str, args: dict[str, Json], timeout: float) -> Json:
        calls.append((name, args, timeout))
        if isinstance(result, BaseException):
            raise result
        if result is asyncio.sleep:
            await asyncio.sleep(100)
        return result

    return LiveProber(target(), run_call=run_call), calls


@pytest.mark.parametrize(("timeout", "seconds"), [(None, 10.0), ("90s", 90.0), (3, 3.0), (0.5, 0.5), ([1, 2], 3.0)])
def test_an_activity_goes_to_the_killable_child(timeout: Any, seconds: float) -> None:
    activity = {"type": "http", "url": "http://x", "timeout": timeout}
    prober, calls = activity_prober({"status": 200, "body": {"n": 1}})
    answer = run(prober.ask({"activity": activity}))
    assert calls == [(ACTIVITY, {"activity": activity}, seconds)]
    assert (answer.kind, answer.value, answer.status) == ("value", {"status": 200, "body": {"n": 1}}, 200)


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (0.25, "value"),
        (None, "value"),
        (float("nan"), "nan"),
        (RuntimeError("it broke"), "error"),
        (TimeoutError(), "unreachable"),
        (object(), "error"),
        ("x" * 10_000_000, "value"),
        ({"stdout": "x" * 10_000_000}, "error"),
    ],
)
def test_whatever_an_activity_brings_is_an_answer(result: Any, kind: str) -> None:
    prober, _ = activity_prober(result)
    answer = run(prober.ask({"activity": {"type": "python", "module": "m", "func": "f"}}))
    assert answer.kind == kind
    assert len(json.dumps(answer.to_json(), allow_nan=False)) < 200_000


def test_an_activity_that_hangs_with_its_worker_is_given_up() -> None:
    prober, _ = activity_prober(asyncio.sleep)
    began = time.monotonic()
    answer = run(prober.ask({"activity": {"type": "python", "timeout": "200ms"}}))
    assert answer.kind == "unreachable"
    assert time.monotonic() - began < 1.2 + SLACK


def test_without_workers_an_activity_is_an_error() -> None:
    assert ask_of(silent, lambda _: {"activity": {"type": "http", "url": "http://x"}}).kind == "error"


@pytest.mark.parametrize(
    "probe",
    [
        {},
        {"http": None},
        {"http": 7},
        {"http": {}},
        {"http": {"url": None}},
        {"http": {"url": 7, "timeout": "soon"}},
        {"http": {"url": "http://127.0.0.1:1", "timeout": -1}},
        {"http": {"url": "http://127.0.0.1:1", "headers": 3}},
        {"http": {"url": "http://127.0.0.1:1", "method": "GE T"}},
        {"http": {"url": "http://127.0.0.1:1"}, "tcp": {"address": "127.0.0.1:1"}},
        {"tcp": {}},
        {"process": {"command": 7}},
        {"process": {"command": ["true"], "env": ["x"]}},
        {"metrics": {}},
        {"metrics": {"name": "x", "url": "http://127.0.0.1:1", "labels": 3}},
        {"prometheus": {}},
        {"measure": 7},
        {"measure": ["x"]},
        {"unheard": {}},
    ],
)
def test_a_probe_that_is_none_is_no_crash(probe: dict[str, Any]) -> None:
    answer = ask_of(silent, lambda _: probe)
    assert answer.kind in ("error", "unreachable", "value")
    assert answer.kind != "value" or "env" in str(probe)


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["http", "tcp", "url", "address", "measure", "headers", "path"]), inner)
        ),
        max_leaves=8,
    )
)
def test_no_probe_whatever_raises(probe: Any) -> None:
    prober = LiveProber(target(), environ={})
    answer = run(prober.ask(probe if isinstance(probe, dict) else {"http": probe}))
    assert isinstance(answer, Answer)
    assert answer.kind != "value"


def test_a_hundred_at_once_share_one_client_and_disturb_each_other_not() -> None:
    async def test() -> None:
        async with serving(page(b"ok")) as good, serving(silent) as bad:
            prober = LiveProber(target())
            await prober.open()
            began = time.monotonic()
            slow = [prober.ask({"http": {"url": bad.url, "timeout": 1.0}}) for _ in range(80)]
            waiting = asyncio.gather(*slow)
            answers = await asyncio.gather(*(prober.ask({"http": {"url": good.url}}) for _ in range(20)))
            assert {answer.value for answer in answers} == {200}
            assert {answer.kind for answer in await waiting} == {"unreachable"}
            assert time.monotonic() - began < 1.0 + 2 * SLACK
            await prober.close()

    run(test())


def test_first_asks_at_the_same_moment_make_one_client() -> None:
    async def test() -> None:
        async with serving(page(b"ok")) as server:
            prober = LiveProber(target())
            answers = await asyncio.gather(*(prober.ask({"http": {"url": server.url}}) for _ in range(5)))
            assert {answer.value for answer in answers} == {200}
            await prober.close()
            await prober.close()

    run(test())


def test_closing_without_ever_asking() -> None:
    run(LiveProber(target()).close())


def test_the_synchronous_form_asks_and_checks(tmp_path: Path) -> None:
    import threading

    ready, done = threading.Event(), threading.Event()
    where: list[str] = []

    async def serve() -> None:
        async with serving(json_page('{"up": 2}')) as server:
            where.append(server.url)
            ready.set()
            await asyncio.to_thread(done.wait, 20)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(10)
        info = target(names={"shop": where[0]}).to_json()
        probe = {"http": {"url": "${shop}/", "path": "$.up"}}
        answer = sync.ask(probe, json.loads(json.dumps(info)))
        assert (answer["kind"], answer["value"], answer["status"]) == ("value", 2, 200)
        assert sync.check({**probe, "expect": {"above": 1}}, info) == {"holds": True, "evidence": "2 is above 1"}
        assert sync.check({**probe, "expect": {"below": 1}}, info) == {
            "holds": False,
            "evidence": "2 is not below 1; expected below 1",
        }
        dumped = Check.model_validate({**probe, "expect": {"status": 200}}).model_dump(mode="json")
        assert sync.check(dumped, info)["holds"] is True
        null = {"http": {"url": "${shop}/", "path": "$.down"}, "expect": {"equals": None}}
        assert sync.check(null, info)["holds"] is False
    finally:
        done.set()
        thread.join(10)
    assert sync.ask({"tcp": {"address": "127.0.0.1:1"}}, info)["value"] is False


def test_the_synchronous_form_runs_an_activity_by_its_dotted_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(sync._run_here("json:loads", {"s": "[1]"}, 1.0)) == [1]


def test_the_prober_judges_as_the_judge_does() -> None:
    prober = LiveProber(target())
    answer = Answer("value", 3).to_json()
    assert prober.holds({"above": 2}, answer) is holds({"above": 2}, answer) is True
    assert prober.explain({"above": 2}) == "above 2"
