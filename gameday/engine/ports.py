"""The shapes that pass between the engine and everything outside: faults, probes, workers, targets.

Data and protocols only. Adapters (faults/, probes/, targets/) implement them, cli/ wires them, the engine never
imports an adapter. All shapes travel as JSON, since they cross process borders and stand in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from gameday.frozen import asdict, field, frozen

Json = Any
"""A value that `json.dumps` takes: None, bool, int, float, str, list, dict with str keys."""

MOST_STRUCK = 300
"""Of so many objects at the most a strike tells its verification: those are to be named, not a whole cluster."""
BUT_UNWELL = "nothing of it is left, and it is not as it was before: "
"""How the error of an undo begins that has done all it can: what somebody else did keeps the target from being well."""


@frozen
class Call:
    """One function to run in a worker: a dotted name `package.module:function`, keyword arguments, a time limit.

    The function is synchronous, takes JSON values and returns one; it raises to say that it failed.
    """

    name: str
    args: dict[str, Json] = field(default_factory=dict)
    timeout: float = 10.0
    """Seconds after which the worker's whole process group is killed."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Call:
        return cls(name=data["name"], args=dict(data.get("args", {})), timeout=float(data.get("timeout", 10.0)))


def _call(data: Mapping[str, Json] | None) -> Call | None:
    return None if data is None else Call.from_json(data)


@frozen
class Plan:
    """What one fault will do, with its targets resolved: all that inject, undo and both verifications need.

    `effective` and `recovered` are polled: their functions return `{"holds": bool, "evidence": str}`. Where `recovered`
    does not hold, `"undone": True` says that nothing of the fault is left, and that its evidence is somebody else's
    change: when the recovery limit is over it has recovered, and failed.
    `undo` is idempotent and legal at every moment from arming on, even if nothing was injected.

    An injection that returns an iterator goes on until it is undone. It yields `{"evidence": str}` after each strike,
    and `about_to_strike` before each but the first, which this plan tells: it goes on from there when that is durable
    in the journal. Where `recovered` takes `struck`, that is what it may have struck when it was stopped, or [].
    """

    summary: str
    """One line for people, e.g. `latency 800 ms ± 100 ms on payments`."""
    targets: tuple[str, ...]
    """What is touched, by name: `checkout-1 (pid 4711)`, `proxy payments`."""
    objects: tuple[str, ...]
    """Keys of the things changed; undos of faults that share one run newest first."""
    inject: Call
    undo: Call | None = None
    effective: Call | None = None
    recovered: Call | None = None
    commands: tuple[str, ...] = ()
    """Shell lines that undo the fault by hand, ready to paste."""
    among: tuple[str, ...] = ()
    """Where `targets` were drawn by the seed: what they were drawn from."""
    engine: str = ""
    """What does it, where the target has several ways, e.g. `chaos-mesh`."""
    undone_by: str = ""
    """In words, how this very plan is undone, and when it is in effect and recovered; empty: as its `Backend` says."""
    effective_when: str = ""
    recovered_when: str = ""
    notes: tuple[str, ...] = ()
    """What whoever approves this should know: the share of the workload, what is protected, budgets in the way."""
    permissions: tuple[str, ...] = ()
    """The rights that inject, undo and both verifications need, e.g. `delete pods in shop`."""
    passes: bool = False
    """It passes by itself, as a fault without an undo does: its undo only tidies up, and waits for no end."""
    standing: Call | None = None
    """Whether what the fault made or changed is still as it left it, as `{"holds", "evidence"}`, with `but` where it
    stands in part: what of it does not, in words, and `replaced` where it does not since what it was in was made anew.
    Asked now and then while it lasts. Only reads, costs the target next to nothing, and raises where it can't tell."""
    takes: tuple[Json, ...] = ()
    """What it takes of that which limits count, as its kind of target has it: for the plans of those that come while
    it stands, see `Backend`."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Plan:
        inject = _call(data["inject"])
        assert inject is not None
        return cls(
            summary=data["summary"],
            targets=tuple(data["targets"]),
            objects=tuple(data["objects"]),
            inject=inject,
            undo=_call(data.get("undo")),
            effective=_call(data.get("effective")),
            recovered=_call(data.get("recovered")),
            commands=tuple(data.get("commands", ())),
            among=tuple(data.get("among", ())),
            engine=str(data.get("engine", "")),
            undone_by=str(data.get("undone_by", "")),
            effective_when=str(data.get("effective_when", "")),
            recovered_when=str(data.get("recovered_when", "")),
            notes=tuple(data.get("notes", ())),
            permissions=tuple(data.get("permissions", ())),
            passes=bool(data.get("passes", False)),
            standing=_call(data.get("standing")),
            takes=tuple(data.get("takes", ())),
        )


def about_to_strike(targets: Sequence[str], objects: Sequence[Json] = ()) -> dict[str, Json]:
    """What an injection that goes on yields before each further strike; see `Plan`. `objects` as `recovered` has them
    as `struck`."""
    return {"striking": list(targets), "objects": list(objects)[:MOST_STRUCK]}


def announced(item: Json) -> bool:
    """Whether what an injection yielded is `about_to_strike`."""
    return isinstance(item, dict) and bool(item.get("striking"))


def evidence_of(item: Json) -> str:
    """What an injection that goes on says of one more strike."""
    return str(item.get("evidence", "")) if isinstance(item, dict) else str(item or "")


@frozen
class Backend:
    """How one kind of target does a fault.

    `plan` names a function `plan(target, params, context) -> dict` (a `Plan` as JSON) that only reads:
    `target` is `TargetInfo.to_json()`, `params` the fault's validated parameters (durations in seconds),
    `context` a dict with `exercise`, `fault` (its entry's id), `seed` (int), `duration` (s or None), the limits `pods`
    and `percent` (or None), `checked`: whether the entry has an `effective` check of its own, and
    `undone_with`: the entry whose undo takes it away too, or None, and `standing`: what other faults of the exercise
    take that have not recovered, each as `{"entry", "takes", "stands"}`, with the `standing` of its plan as JSON.
    It raises `ValueError` where the fault can't be done within the limits, naming what and why.
    """

    plan: str
    touches: str
    undone_by: str
    effective_when: str
    recovered_when: str
    permissions: tuple[str, ...] = ()
    """The rights that it may need, for the documentation."""
    needs: str = ""
    """With kind kubernetes: names a function `needs(target, params) -> list[str]` that says, without asking anybody,
    which rights the fault with these parameters needs, each as e.g. `delete pods in shop`. It raises like `plan`."""


@frozen
class TargetInfo:
    """A target as faults and probes see it, resolved once when the exercise starts. Holds no secret."""

    name: str
    kind: Literal["none", "sandbox", "toxiproxy", "kubernetes", "other"]
    environment: str
    names: dict[str, str] = field(default_factory=dict)
    """What `${name}` stands for: addresses of services, `prometheus`, `alertmanager`, `metrics`."""
    services: tuple[str, ...] = ()
    measures: dict[str, dict[str, Json]] = field(default_factory=dict)
    """Name -> a probe as a scenario would write it, e.g. {"metrics": {"name": "shop_error_rate"}}."""
    settings: dict[str, Json] = field(default_factory=dict)
    """What the kind's own adapters need, e.g. {"control": url, "proxy": url, "state_dir": path}."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> TargetInfo:
        return cls(**{**data, "services": tuple(data.get("services", ()))})


AnswerKind = Literal["value", "unreachable", "no_data", "nan", "many", "error"]
"""`error`: something answered, and it can't be read as an answer (HTML where JSON was due, too large …)."""


@frozen
class Answer:
    """What a probe brought back. Never an exception: whatever comes back is an answer or no answer."""

    kind: AnswerKind
    value: Json = None
    detail: str = ""
    """What a person would want to read beside it: the reason there is no value, the reply's first characters."""
    status: int | None = None
    """HTTP status code where there was one."""
    took: float = 0.0
    """Seconds from asking to having it."""

    def to_json(self) -> dict[str, Json]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Answer:
        return cls(**data)


class Prober(Protocol):
    """Asks one probe. `probe` is a `Probing` model dumped to JSON with names resolved; bounded by its own timeout."""

    async def ask(self, probe: Mapping[str, Json]) -> Answer: ...

    def holds(self, tolerance: Mapping[str, Json], answer: Mapping[str, Json]) -> bool:
        """Whether an answer (`Answer.to_json()`) is as the tolerance (only its given keys) says; never raises."""
        ...

    def explain(self, tolerance: Mapping[str, Json]) -> str:
        """A tolerance in words, e.g. `below 0.5`."""
        ...

    async def close(self) -> None: ...
