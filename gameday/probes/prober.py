"""Asking real probes: one `LiveProber` for an exercise, on the engine's loop.

It resolves measures and published names, reveals secrets, bounds the whole ask by the probe's timeout, and turns
whatever happens into an `Answer`. It judges nothing and remembers nothing.

Kinds of "no value": `unreachable` nothing (complete) came in time; `no_data` an answer without this number; `nan`;
`many` several series; `error` something that can't be read, or a question that can't be asked (an unknown name, a
missing secret).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gameday.engine.ports import Answer, Json, TargetInfo
from gameday.errors import TargetError
from gameday.exercise.values import in_short
from gameday.probes import http, metrics, process, prometheus, tcp
from gameday.probes.alertmanager import AlertsAnswer
from gameday.probes.alertmanager import alerts as ask_alertmanager
from gameday.probes.answers import EXCERPT, NoAnswer, answer_of, excerpt, seconds
from gameday.probes.judge import explain, holds, prepare
from gameday.probes.secrets import Secrets
from gameday.scenario.keys import PROBES
from gameday.scenario.names import resolve_names
from gameday.scenario.problems import ScenarioErrors, nearest_or_all

if TYPE_CHECKING:
    import httpx

RunCall = Callable[[str, dict[str, Json], float], Awaitable[Json]]
"""`run_call(name, args, timeout)` runs a dotted name in a killable process; raises where that failed."""

ACTIVITY = "gameday.faults.activity:probe"
"""The function that runs a Chaos Toolkit probe; takes `activity` and returns its output."""

_KINDS: dict[str, tuple[Callable[[Mapping[str, Any], Any], Awaitable[Answer]], float, bool]] = {
    # kind: (how to ask, seconds unless said, speaks HTTP)
    "http": (http.ask, 5.0, True),
    "prometheus": (prometheus.ask, 5.0, True),
    "metrics": (metrics.ask, 5.0, True),
    "tcp": (tcp.ask, 2.0, False),
    "process": (process.ask, 10.0, False),
}
_USUAL_ADDRESS = {"prometheus": {"url": "${prometheus}"}, "metrics": {"url": "${metrics}"}}
_RENEWED = 60.0
"""Seconds after which a program is lent the kubeconfig as it is by then: a token in it may be another."""
_SURE = 5.0
"""Seconds for which a program is run without looking again whether the way leads to the same cluster."""
_LOOKING = 1.0
"""Seconds that a program waits for that: it may have nothing to do with the cluster."""
_GRACE = 0.1
"""Seconds that cleaning up after a timeout may take before the ask is cut off from outside."""


class LiveProber:
    """Asks probes of one target. Call `close` at the end; all from one event loop."""

    def __init__(
        self,
        target: TargetInfo,
        *,
        run_call: RunCall | None = None,
        activity_call: str = ACTIVITY,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._target = target
        self._run_call = run_call
        self._activity_call = activity_call
        self._environ = environ
        self._opening: asyncio.Future[httpx.AsyncClient] | None = None
        self._kubeconfig: dict[str, Json] = {}
        self._read_at = 0.0
        self._look: asyncio.Task[str] | None = None
        self._looked_at = 0.0

    async def open(self) -> None:
        """Load what asking and judging need, in a thread, so that the first of them holds nothing up (0.2 s in all)."""
        await self._client()
        await asyncio.to_thread(prepare)

    async def ask(self, probe: Mapping[str, Json]) -> Answer:
        """Ask `probe` (a `Probing` in JSON) and return within its own timeout, whatever comes back."""
        started = time.monotonic()
        secrets = Secrets(self._environ)
        try:
            answer = await self._ask(probe, secrets)
        except NoAnswer as none:
            answer = Answer(none.kind, detail=none.detail, status=none.status)
        except TimeoutError:
            answer = Answer("unreachable", detail="no answer in time")
        except Exception as error:  # noqa: BLE001 - the promise of this room: an answer or no answer, never a crash
            answer = Answer("error", detail=excerpt(f"{type(error).__name__}: {error}"))
        return replace(secrets.hide(answer), took=answer.took or time.monotonic() - started)

    def holds(self, tolerance: Mapping[str, Json], answer: Mapping[str, Json]) -> bool:
        """Whether an answer is as the tolerance says (`judge.holds`)."""
        return holds(tolerance, answer)

    def explain(self, tolerance: Mapping[str, Json]) -> str:
        """The tolerance in words (`judge.explain`)."""
        return explain(tolerance)

    async def alerts(self, names: set[str], timeout: float = 5.0) -> AlertsAnswer:
        """The firing alerts among `names`, from the Alertmanager that the target publishes under `alertmanager`."""
        url = self._target.names.get("alertmanager")
        if not url:
            return AlertsAnswer("error", detail=f"target {self._target.name} publishes no address named alertmanager")
        try:
            return await ask_alertmanager(await self._client(), url, timeout, names)
        except Exception as error:  # noqa: BLE001 - as above
            return AlertsAnswer("error", detail=excerpt(f"{type(error).__name__}: {error}"))

    async def close(self) -> None:
        """Close the client. Nothing may be asked any more."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)
        if self._opening is not None and not self._opening.cancelled():
            (client,) = await asyncio.gather(self._opening, return_exceptions=True)
            if not isinstance(client, BaseException):
                await client.aclose()

    async def _ask(self, probe: Mapping[str, Json], secrets: Secrets) -> Answer:
        kind, question = self._question(probe)
        if kind == "activity":
            return await self._activity(question)
        ask, usual, over_http = _KINDS[kind]
        client = await self._client() if over_http else None
        # From here on the clock runs; making the client is our own affair.
        within = seconds(question.get("timeout"), usual)
        deadline = time.monotonic() + within
        async with asyncio.timeout(within + _GRACE):
            question = await self._revealed(question, secrets)
            left = deadline - time.monotonic()
            if left <= 0:
                raise NoAnswer("unreachable", "the secrets could not be read in time")
            with await self._way() if kind == "process" else nullcontext({}) as environment:
                question["env"] = {**environment, **(question.get("env") or {})}
                started = time.monotonic()
                answer = await ask({**question, "timeout": left}, client)
                return replace(answer, took=time.monotonic() - started)

    def _question(self, probe: Mapping[str, Json]) -> tuple[str, dict[str, Json]]:
        """The kind that is asked and its question, with a measure resolved and the published names filled in.

        Of a scenario's own probe only the address is looked at: its names have been filled in, and what still looks
        like one in a query or a pattern is meant as it stands.
        """
        target = self._target
        named = probe.get("measure")
        if named is not None:
            if named not in target.measures:
                known = nearest_or_all(str(named), sorted(target.measures)) or "it publishes none"
                raise NoAnswer("error", f"target {target.name} has no measure {named!r}; {known}")
            probe = self._filled(target.measures[named])
        kinds = [kind for kind in PROBES if probe.get(kind) is not None and kind != "measure"]
        if len(kinds) != 1:
            raise NoAnswer("error", f"a probe asks exactly one thing, this one {len(kinds)}")
        question = probe[kinds[0]]
        if not isinstance(question, Mapping):
            raise NoAnswer("error", f"a {kinds[0]} probe is written as keys and values")
        question = {**_USUAL_ADDRESS.get(kinds[0], {}), **question}
        if kinds[0] == "activity":
            # What stands in braces there is Chaos Toolkit's: its configuration and its secrets.
            return "activity", dict(question)
        addressed = {key: question[key] for key in ("url", "address") if key in question}
        return kinds[0], {**question, **self._filled(addressed)}

    def _filled(self, part: Mapping[str, Json]) -> dict[str, Json]:
        try:
            filled: dict[str, Json] = resolve_names(dict(part), self._target.names)
        except ScenarioErrors as error:
            problem = error.problems[0]
            raise NoAnswer("error", f"{problem.message}; {problem.hint}") from None
        return filled

    async def _revealed(self, question: dict[str, Json], secrets: Secrets) -> dict[str, Json]:
        """`question` with its references to secrets replaced by the secrets."""
        revealed = dict(question)
        for key in ("headers", "env"):
            texts = question.get(key)
            if isinstance(texts, Mapping) and texts:
                from_disk = any(isinstance(text, Mapping) and text.get("file") for text in texts.values())
                # A file may lie on a disk that hangs.
                revealed[key] = (
                    await asyncio.to_thread(secrets.reveal_all, texts) if from_disk else secrets.reveal_all(texts)
                )
        return revealed

    async def _activity(self, activity: dict[str, Json]) -> Answer:
        if self._run_call is None:
            raise NoAnswer("error", "Chaos Toolkit probes can't be run here")
        within = seconds(activity.get("timeout"), 10.0)
        async with asyncio.timeout(within + 1.0):
            output = await self._run_call(self._activity_call, {"activity": activity, **self._led()}, within)
        if activity.get("tolerance") is not None and isinstance(output, Mapping) and "met" in output:
            return answer_of(output["met"], detail=in_short(output.get("output"), EXCERPT))
        # What Chaos Toolkit's http and process providers return carries the status code, or the exit code.
        status = output.get("status") if isinstance(output, Mapping) else None
        return answer_of(output, status=status if type(status) is int else None)

    async def _way(self) -> AbstractContextManager[dict[str, str]]:
        """What a program finds in its environment to reach the target's cluster, and by itself no other."""
        if self._target.kind != "kubernetes":
            return nullcontext({})
        now = time.monotonic()
        if not self._kubeconfig or now - self._read_at > _RENEWED:
            # It imports the client, and reads a file, which may lie on a disk that hangs.
            found = await asyncio.to_thread(_kubeconfig, self._target.settings["cluster"])
            self._kubeconfig, self._read_at = found or self._kubeconfig, now
        from gameday.cluster.lending import lent_to, nowhere

        if why := await self._elsewhere():
            raise NoAnswer("error", f"{why}: nothing was asked")
        # Where there is none, a program that has nothing to do with the cluster is asked all the same.
        return lent_to(self._kubeconfig or nowhere(self._target.settings["cluster"]))

    async def _elsewhere(self) -> str:
        """That the way leads to another cluster than at the start, in words; "" where it does not, or nobody knows."""
        if self._look is None or (self._look.done() and time.monotonic() - self._looked_at > _SURE):
            self._looked_at = time.monotonic()
            self._look = asyncio.create_task(asyncio.to_thread(_another, self._target.settings["cluster"]))
        await asyncio.wait([self._look], timeout=_LOOKING)
        return self._look.result() if self._look.done() else ""

    def _led(self) -> dict[str, Json]:
        """On a cluster: how that is reached, or an activity would take whichever context is current."""
        return {"cluster": self._target.settings.get("cluster") or {}} if self._target.kind == "kubernetes" else {}

    async def _client(self) -> httpx.AsyncClient:
        if self._opening is None:
            from gameday.probes.fetching import make_client

            self._opening = asyncio.ensure_future(asyncio.to_thread(make_client))
        return await asyncio.shield(self._opening)


def _another(where: Mapping[str, Json]) -> str:
    from gameday.cluster.errors import AnotherCluster
    from gameday.cluster.lending import recognise

    try:
        recognise(where, ahead=True)
    except AnotherCluster as error:
        return str(error)
    return ""


def _kubeconfig(where: Mapping[str, Json]) -> dict[str, Json]:
    """The one that knows the target's cluster alone; empty where it can't be had."""
    from gameday.cluster.lending import kubeconfig_of

    try:
        return kubeconfig_of(where)
    except TargetError:
        return {}
