"""The scenario file, version 1, as data.

Plain values only: no I/O, no line numbers (loading.py knows those), no meaning across fields (checking.py judges that).
Field descriptions end up in the JSON Schema, where editors show them.
"""

# No `annotations` from the future: pydantic would compile each of them by itself, a tenth of what this module costs.

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StrictBool, StrictInt, Tag

from gameday.scenario.alone import Alone
from gameday.scenario.fields import Duration
from gameday.scenario.keys import NO_DATA, NoDataRule, entry_name

Scalar = str | int | float | bool | None
Threshold = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number; neither true/false nor text that looks like a number."""


class Model(Alone, BaseModel):
    """Frozen, closed to unknown keys, addressed by the names that stand in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)


def none_listed() -> list[Any]:
    """A default. That a function takes nothing pydantic sees at once; of `list` it would read the documentation."""
    return []


def none_named() -> dict[str, Any]:
    return {}


class SecretRef(Model):
    """A value that is read where it is used, and so never reaches the journal, a report or a log."""

    env: str | None = Field(None, description="Name of the environment variable that holds the secret.")
    file: str | None = Field(None, description="Path of a file whose content, stripped, is the secret.")


def _text_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "<text>"
    return "<secret>" if isinstance(value, dict | SecretRef) else None


Text = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[SecretRef, Tag("<secret>")],
    Discriminator(
        _text_kind,
        custom_error_type="text_or_secret",
        custom_error_message="expected text, or a secret: {env: NAME} or {file: PATH}",
    ),
]
"""Text that may be a secret. One error where it is neither, not one for each of the two."""


# --- probes and tolerances -----------------------------------------------------------------------------------------


class HttpProbe(Model):
    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, Text] = Field(default_factory=none_named)
    body: str | None = None
    read: Literal["status", "body", "json", "latency"] = Field(
        "status", description="What the answer is: status code, body text, a JSON value (see path), or seconds taken."
    )
    path: str | None = Field(None, description="Where in a JSON answer, e.g. $.items[0].price; implies read: json.")
    timeout: Duration = 5.0


class PrometheusProbe(Model):
    query: str = Field(description="PromQL of an instant query; its braces stay PromQL's.")
    url: str = Field("${prometheus}", description="Base address of the Prometheus API.")
    headers: dict[str, Text] = Field(default_factory=none_named)
    timeout: Duration = 5.0


class MetricsProbe(Model):
    """One number from a Prometheus text page, no Prometheus server needed."""

    name: str = Field(description="Metric name as it stands on the page.")
    url: str = Field("${metrics}", description="Address of the page.")
    labels: dict[str, str] = Field(default_factory=none_named)
    combine: Literal["sum", "max", "min", "avg"] | None = Field(
        None, description="How several series become one number; without it several series are no answer."
    )
    timeout: Duration = 5.0


class TcpProbe(Model):
    """True where a connection is accepted, false where it is refused or times out."""

    address: str = Field(description="host:port")
    timeout: Duration = 2.0


class ProcessProbe(Model):
    command: list[str] = Field(min_length=1, description="Program and arguments; no shell.")
    read: Literal["stdout", "exit"] = "exit"
    env: dict[str, Text] = Field(default_factory=none_named)
    timeout: Duration = 10.0


class Activity(Model):
    """A Chaos Toolkit provider: `python`, `http` or `process`, with that tool's own keys."""

    model_config = ConfigDict(extra="allow", frozen=True)
    type: Literal["python", "http", "process"]
    timeout: Any = Field(None, description="Duration, or Chaos Toolkit's seconds.")


class Probing(Model):
    """Exactly one of these says what is asked."""

    http: HttpProbe | None = None
    prometheus: PrometheusProbe | None = None
    metrics: MetricsProbe | None = None
    tcp: TcpProbe | None = None
    process: ProcessProbe | None = None
    measure: str | None = Field(None, description="A number that the target publishes by this name.")
    activity: Activity | None = Field(None, description="A Chaos Toolkit probe.")


def _status(value: Any) -> Any:
    codes = value if isinstance(value, list) else [value]
    if not codes or any(type(code) is not int or not 100 <= code <= 599 for code in codes):
        raise ValueError("expected an HTTP status code, e.g. 200, or a list of them")
    return value


class Tolerance(Model):
    """What an answer must be. Where several are given, all must hold."""

    equals: Scalar | list[Any] | dict[str, Any] = None
    above: Threshold | None = None
    below: Threshold | None = None
    between: tuple[Threshold, Threshold] | None = Field(None, description="Lowest and highest, both included.")
    matches: str | None = Field(None, description="Regular expression, searched anywhere in the answer as text.")
    status: Annotated[int | list[int], BeforeValidator(_status)] | None = Field(
        None, description="HTTP status code, or one of several."
    )


class Check(Probing):
    """A probe and what its answer must be."""

    name: str | None = None
    expect: Tolerance


# --- the timeline --------------------------------------------------------------------------------------------------

Milestone = Literal["impact", "detected", "acknowledged", "diagnosed", "mitigated", "resolved"]
MILESTONES: tuple[Milestone, ...] = ("impact", "detected", "acknowledged", "diagnosed", "mitigated", "resolved")
Role = Literal["incident-commander", "technical-lead", "communications-lead"]
ROLES: tuple[Role, ...] = ("incident-commander", "technical-lead", "communications-lead")


class After(Model):
    """What an entry waits for: a milestone, or another entry's actual completion."""

    milestone: Milestone | None = None
    entry: str | None = Field(
        None, description="Id of another entry: a delivered inject, an answered check, a fault that has recovered."
    )
    effective: str | None = Field(None, description="Id of a fault: when it has taken hold, and not when it is over.")
    delay: Duration = 0.0


def _after_entry(value: Any) -> Any:
    return {"entry": value} if isinstance(value, str) else value


def _until(value: Any) -> Any:
    return [_after_entry(one) for one in (value if isinstance(value, list) else [value])]


def _undo(value: Any) -> Any:
    return [value] if isinstance(value, dict | Activity) else value


class Look(Probing):
    """A probe whose answer is written down, and judged where it says what the answer must be."""

    name: str | None = None
    expect: Tolerance | None = None


class Entry(Model):
    """One line of the timeline: a fault, an inject or a check, and when it is due."""

    id: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="Name to refer to it by.")
    at: Duration | None = Field(None, description="Due this long after the exercise's start.")
    after: Annotated[After, BeforeValidator(_after_entry)] | None = None
    manual: StrictBool | None = Field(None, description="Released by the facilitator only.")

    fault: str | None = Field(None, description="A portable fault, e.g. latency; `activity` for a Chaos Toolkit one.")
    with_: dict[str, Any] = Field(default_factory=none_named, alias="with", description="The fault's parameters.")
    for_: Duration | None = Field(
        None,
        alias="for",
        description="How long it stays in effect; at the latest it is undone this and 15 s after its injection began.",
    )
    until: Annotated[list[After], Field(min_length=1), BeforeValidator(_until)] | None = Field(
        None, description="It is undone when all of this has come, and after `for` at the latest."
    )
    activity: Activity | None = Field(None, description="With `fault: activity`: the Chaos Toolkit action to run.")
    undo: Annotated[list[Activity], Field(min_length=1), BeforeValidator(_undo)] | None = Field(
        None, description="With `fault: activity`: the action that takes it away, or several, one after another."
    )
    one_shot: StrictBool | None = Field(
        None, description="With `fault: activity`: nothing to undo, it passes by itself."
    )
    undone_with: str | None = Field(
        None,
        description="With `fault: activity`: the id of the entry whose `undo` takes this away too. It is not begun "
        "unless that stands, and that is not undone while this is under way.",
    )
    effective: Check | None = Field(None, description="What shows that the fault has taken hold.")
    recovered: Check | None = Field(None, description="What shows that the target is whole again.")

    check: Look | None = Field(
        None, description="Asked once when it is due; the answer is evidence, and judged where it has `expect`."
    )
    inject: str | None = Field(None, description="What people are told.")
    audience: list[str] = Field(default_factory=none_listed, description="Roles it is for; everybody where empty.")
    notes: str | None = Field(None, description="For the facilitator only.")
    hint: str | None = Field(None, description="What to say when the room is stuck; giving it is recorded.")


# --- what is expected, and when to stop ----------------------------------------------------------------------------


class Expectation(Model):
    """An observable behaviour with a target time. `within` counts from impact unless `of` names another milestone."""

    name: str | None = None
    alert: str | None = Field(None, description="An alert that must fire: a machine's job, judged unattended too.")
    milestone: Milestone | None = None
    update: str | None = Field(None, description="Status updates to this audience, e.g. stakeholders.")
    check: Check | None = Field(None, description="Something that must come to hold: a machine's job.")
    within: Duration | None = None
    every: Duration | None = Field(None, description="With `update`: the longest silence allowed.")
    of: Milestone = Field("impact", description="The milestone from which `within` counts.")


class NoData(Model):
    """What each way of having no number counts as: `trip` the condition, `ok`, or `hold` the last judgement."""

    unreachable: NoDataRule = NO_DATA
    no_data: NoDataRule = NO_DATA
    nan: NoDataRule = NO_DATA
    many: NoDataRule = NO_DATA


def _no_data(value: Any) -> Any:
    if isinstance(value, str):
        return {"unreachable": value, "no_data": value, "nan": value, "many": value}
    return value


class AbortCondition(Probing, Tolerance):
    """A probe that stops the exercise when its answer is as said here (or, with `unless`, when it is not)."""

    name: str
    unless: Tolerance | None = Field(None, description="Trips when the answer is NOT this.")
    every: Annotated[Duration, Field(ge=0.05)] = 1.0
    for_: Duration | None = Field(None, alias="for", description="How long it must hold without a break.")
    consecutive: StrictInt | None = Field(None, ge=1, description="How many answers in a row.")
    no_data: Annotated[NoData, BeforeValidator(_no_data)] | None = Field(
        None, description="What counts where there is no number: trip, ok or hold; or one of them for each case."
    )


class Limits(Model):
    duration: Duration = Field(3600.0, description="The exercise is aborted after this long.")
    unattended: Duration = Field(60.0, description="A live fault without any console is undone after this long.")
    recovery: Duration = Field(60.0, description="How long an undo is retried before the fault counts as leaked.")
    pods: StrictInt | None = Field(
        None, ge=1, description="No fault touches more instances than this; on a cluster, with what is out."
    )
    percent: Annotated[Threshold, Field(gt=0, le=100)] | None = Field(
        None, description="No fault touches a larger share of a workload; on a cluster with what is out already."
    )


def _scalar(value: Any) -> Any:
    if isinstance(value, list | dict):
        raise ValueError("a parameter is one value: text, a number, true or false")
    return value


class Parameter(Model):
    """What can be given with `--set name=value`; without a default it must be."""

    default: Annotated[Scalar, BeforeValidator(_scalar)] = None
    description: str | None = None


def _parameter(value: Any) -> Any:
    return value if isinstance(value, dict | Parameter) else {"default": value}


Category = Literal["infrastructure", "dependency", "cascading", "security", "communication"]


def _version(value: Any) -> Any:
    if type(value) is not int or value != 1:
        raise ValueError("this reads version 1 of scenario files: write `version: 1`")
    return value


class Scenario(Model):
    """One scenario file."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    title: str = Field(min_length=1)
    description: str | None = None
    category: Category | None = None
    severity: str | None = Field(None, description="A level of the preset named in gameday.toml, e.g. SEV2.")
    severity_why: str | None = Field(None, description="Why this is the right level; shown in the debrief.")
    difficulty: Literal["easy", "medium", "hard"] | None = None
    tags: list[str] = Field(default_factory=none_listed)
    roles: list[Role] = Field(default_factory=none_listed)
    objectives: list[str] = Field(default_factory=none_listed)
    parameters: dict[str, Annotated[Parameter, BeforeValidator(_parameter)]] = Field(default_factory=none_named)
    target: str | None = Field(None, description="The target used where --target names none; `none` for a tabletop.")
    steady_state: list[Check] = Field(default_factory=none_listed)
    timeline: list[Entry] = Field(default_factory=none_listed)
    expect: list[Expectation] = Field(default_factory=none_listed)
    abort_when: list[AbortCondition] = Field(default_factory=none_listed)
    limits: Limits = Field(default_factory=lambda: Limits())
    runbook: str | None = None
    configuration: dict[str, Any] = Field(
        default_factory=none_named,
        description="Chaos Toolkit's configuration, for all activities: values, {type: env, key: NAME}, or probes "
        "({type: probe, provider: …}), which are asked once, before the start.",
    )
    imported: Literal["chaostoolkit", "chaos-mesh"] | None = Field(
        None,
        description="The tool whose file this was. Until it has an abort condition its faults are run with "
        "--no-abort-condition only.",
    )

    def entry_id(self, index: int) -> str:
        """The id of timeline entry `index` (from 0): its own, or `fault-3`, `inject-3`, `check-3` counted from 1."""
        return entry_name(self.timeline[index], index)
