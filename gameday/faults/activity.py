"""Any Chaos Toolkit activity as a fault, as the undo of one, or as a probe.

This file says what is known before anything runs: the plan and the time limits. `by_hand` has the lines by which a
person undoes it, and `chaostoolkit` runs them. Whether a target may have code run against it is policy, and decided
elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from gameday.engine.ports import Backend, Call, Json, Plan
from gameday.faults.by_hand import by_hand, in_words
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.parameters import Parameters
from gameday.faults.secrets import groups
from gameday.scenario.duration import parse_duration

CHECK = "gameday.probes.sync:check"
"""Asks a `Check` of a target and judges it: `check(check, target) -> {"holds", "evidence"}`."""
ACTION_LIMIT = 60.0
"""Seconds that an action has unless it says otherwise."""
UNDO_LIMIT = 30.0
_GRACE = 1.0

_NEEDS = {"python": ("module", "func"), "http": ("url",), "process": ("path",)}
_NAME = re.compile(r"\$\{([^}]+)\}")


class ActivityParameters(Parameters):
    """Not what stands under `with:`, which an activity has none of, but the entry's own keys."""

    activity: Annotated[dict[str, Any], Field(description="The action, as a Chaos Toolkit provider.")]
    undo: Annotated[
        dict[str, Any] | list[dict[str, Any]] | None,
        Field(description="The action that takes it away, or several, one after another."),
    ] = None
    one_shot: Annotated[bool, Field(description="There is nothing to undo.")] = False
    effective: Annotated[dict[str, Any] | None, Field(description="The check that shows that it took hold.")] = None
    recovered: Annotated[dict[str, Any] | None, Field(description="The check that shows that it is over.")] = None


_BACKEND = Backend(
    plan="gameday.faults.activity:plan",
    touches="whatever the action touches: it is not known beforehand",
    undone_by="the entry's own undo",
    effective_when="the entry's `effective` check holds, or without one the action succeeded",
    recovered_when="the entry's `recovered` check holds, or without one the undo succeeded",
    permissions=("whatever the action needs",),
)

DECLARATION = FaultDeclaration(
    name="activity",
    summary="Any Chaos Toolkit activity",
    parameters=ActivityParameters,
    one_shot=False,
    description=(
        "Runs an action of Chaos Toolkit or of one of its extensions: a Python function, an HTTP request or a process. "
        "An answer of 400 or more and an exit code other than 0 are failures. Secrets are written as {env: NAME} or "
        "{file: PATH} and read where they are used; a process finds them in its environment."
    ),
    example="""\
at: 30s
fault: activity
activity: {type: http, url: "http://127.0.0.1:8474/proxies/redis", method: POST, arguments: '{"enabled": false}'}
undo: {type: http, url: "http://127.0.0.1:8474/proxies/redis", method: POST, arguments: '{"enabled": true}'}
for: 2m
""",
    backends=dict.fromkeys(("sandbox", "toxiproxy", "kubernetes", "other"), _BACKEND),
)


def plan(target: Mapping[str, Json], params: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
    """See `gameday.engine.ports.Backend.plan`. `${name}` of what the target publishes becomes the activity's
    configuration."""
    asked = ActivityParameters.model_validate(params)
    if asked.undo is None and not asked.one_shot:
        raise ValueError(f"{context['fault']}: an activity needs an undo, or one_shot: true if it passes by itself")
    undo = None if asked.undo is None or asked.one_shot else _several(asked.undo)
    where = dict(target)
    other = context.get("undone_with")
    inject = _call("run_activity", asked.activity, target, ACTION_LIMIT)
    return Plan(
        summary=described(asked.activity),
        targets=(in_words(asked.activity, _configuration(asked.activity, target)),),
        # What undoes this too waits for it: it is sent when this is over, or dead.
        objects=tuple(f"activity:{name}" for name in (context["fault"], other) if name),
        inject=inject,
        undo=None if undo is None else _undo_call(undo, target),
        effective=None if asked.effective is None else Call(CHECK, {"check": asked.effective, "target": where}),
        recovered=_recovered(asked.recovered, where, other),
        commands=tuple(there(each, target) + by_hand(each, _configuration(each, target)) for each in undo or ()),
        notes=tuple(_notes([asked.activity, *(undo or ())], target)),
        undone_by=", then ".join(in_words(each, _configuration(each, target)) for each in undo or ())
        or (f"the undo of {other}" if other else ""),
        effective_when=_verified("the action has succeeded", "effective", asked.effective),
        recovered_when=_recovered_when(asked, other),
    ).to_json()


def _recovered(check: Mapping[str, Json] | None, target: Mapping[str, Json], other: str | None) -> Call | None:
    if check is not None:
        return Call(CHECK, {"check": check, "target": target})
    return Call(f"{__name__}:left_to", {"entry": other}) if other else None


def _recovered_when(asked: ActivityParameters, other: str | None) -> str:
    if asked.recovered is None and other:
        return f"nothing of it runs any more; the undo of {other} comes after that"
    if asked.recovered is None and (asked.undo is None or asked.one_shot):
        return ""
    return _verified("the undo has succeeded", "recovered", asked.recovered)


def _verified(otherwise: str, name: str, check: Mapping[str, Json] | None) -> str:
    """In words, when a fault is in effect, or over."""
    if check is None:
        return f"{otherwise}: no `{name}` check says how to verify it"
    called = f" ({check['name']})" if check.get("name") else ""
    return f"the entry's `{name}` check{called} holds"


def _call(function: str, provider: Mapping[str, Json], target: Mapping[str, Json], limit: float) -> Call:
    check_provider(provider)
    configuration = _configuration(provider, target)
    own = {*configuration, *(provider.get("configuration") or {}), *_secret_names(provider)}
    unknown = [name for name in _NAME.findall(str(provider.get("url", ""))) if name not in own]
    if unknown:
        raise ValueError(f"target {target['name']} publishes no ${{{unknown[0]}}}, and the activity has no such secret")
    args = {"provider": dict(provider), "configuration": configuration, **_led(target)}
    # An HTTP request that takes too long says so itself, if it is given the time to.
    grace = _GRACE if provider["type"] == "http" else 0.0
    return Call(f"{__name__}:{function}", args, (seconds(provider.get("timeout")) or limit) + grace)


def _notes(providers: Sequence[Mapping[str, Json]], target: Mapping[str, Json]) -> Iterator[str]:
    if target["kind"] != "kubernetes":
        return
    from gameday.cluster.api import words

    if any(provider["type"] != "http" for provider in providers):
        yield f"whatever it asks of a cluster goes to {words(target['settings']['cluster'])}"
    yield "limits, namespaces and protected objects bind no activity: look at what it does"


def there(provider: Mapping[str, Json], target: Mapping[str, Json]) -> str:
    """What to put before a shell line so that it goes to the target's cluster, and not to the one that is current."""
    if target["kind"] != "kubernetes" or provider["type"] == "http":
        return ""
    from gameday.cluster.kubectl import kubectl

    cluster = target["settings"]["cluster"]
    if cluster.get("in_cluster"):
        return "CHAOSTOOLKIT_IN_POD=true "
    view = shlex.join([*kubectl(cluster, None), "config", "view", "--minify", "--flatten", "--raw"])
    named = shlex.quote(str(cluster.get("context")))
    return f'KUBERNETES_CONTEXT={named} KUBECONFIG=$(f=$(mktemp) && {view} >"$f" && echo "$f") '


def _led(target: Mapping[str, Json]) -> dict[str, Json]:
    """On a cluster: how that is reached. Without it an activity would take whichever context is current."""
    return {"cluster": target["settings"]["cluster"]} if target["kind"] == "kubernetes" else {}


def _several(undo: dict[str, Any] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return undo if isinstance(undo, list) else [undo]


def _undo_call(undo: list[dict[str, Any]], target: Mapping[str, Json]) -> Call:
    calls = [_call("undo", each, target, UNDO_LIMIT) for each in undo]
    if len(calls) == 1:
        return calls[0]
    steps = [call.args for call in calls]
    return Call(f"{__name__}:undo_all", {"steps": steps}, sum(call.timeout for call in calls))


def check_provider(provider: Mapping[str, Json]) -> None:
    """Raise ValueError where a provider can't be run: a key is missing, or its module or program is not there.

    Nothing of it is imported, since that would run its code.
    """
    from importlib.util import find_spec

    from gameday.faults.chaostoolkit import program

    kind = provider.get("type")
    if kind not in _NEEDS:
        raise ValueError(f"an activity is of type python, http or process, not {kind!r}")
    for key in _NEEDS[str(kind)]:
        if not isinstance(provider.get(key), str):
            raise ValueError(f"an activity of type {kind} needs {key!r}")
    if kind == "python" and find_spec(str(provider["module"]).partition(".")[0]) is None:
        raise ValueError(f"there is no Python module {provider['module']!r}: is the extension installed?")
    if kind == "process" and program(str(provider["path"])) is None:
        raise ValueError(f"there is no program {provider['path']!r}")
    if isinstance(provider.get("secrets"), Mapping):
        groups(provider["secrets"])
    seconds(provider.get("timeout"))
    _check_environment(provider.get("configuration"))
    tolerance = provider.get("tolerance")
    if isinstance(tolerance, Mapping) and isinstance(tolerance.get("provider"), Mapping):
        check_provider(tolerance["provider"])


def _check_environment(configuration: Json) -> None:
    """A variable that is missing would be noticed when the activity runs: for an undo, that is too late."""
    for name, value in configuration.items() if isinstance(configuration, Mapping) else ():
        if not isinstance(value, Mapping) or value.get("type") != "env" or "default" in value:
            continue
        if str(value.get("key")) not in os.environ:
            raise ValueError(
                f"the environment variable {value.get('key')}, which configuration {name!r} is in, is not set"
            )


def _configuration(provider: Mapping[str, Json], target: Mapping[str, Json]) -> dict[str, str]:
    """What the target publishes, of what the provider asks for."""
    asked = set(_NAME.findall(json.dumps(dict(provider))))
    return {name: value for name, value in target["names"].items() if name in asked}


def _secret_names(provider: Mapping[str, Json]) -> set[str]:
    written = provider.get("secrets")
    return {name for group in groups(written).values() for name in group} if isinstance(written, Mapping) else set()


def seconds(timeout: Json) -> float | None:
    """A provider's time limit: a duration, or Chaos Toolkit's seconds, or its pair of them; None where there is none.

    Raises:
        ValueError: neither of these, or not above zero.
    """
    if timeout is None:
        return None
    if isinstance(timeout, list):
        return sum(seconds(each) or 0.0 for each in timeout)
    if isinstance(timeout, str):
        found = parse_duration(timeout)
    elif isinstance(timeout, int | float) and not isinstance(timeout, bool):
        found = float(timeout)
    else:
        raise ValueError(f"timeout: expected a duration such as 10s, found {timeout!r}")
    if not 0 < found < float("inf"):
        raise ValueError(f"timeout: must be above zero, found {timeout!r}")
    return found


def described(provider: Mapping[str, Json]) -> str:
    """A provider on one line: `chaosk8s.pod.actions.terminate_pods`, `POST http://…`, `kubectl`."""
    kind = provider.get("type")
    if kind == "python":
        return f"{provider.get('module')}.{provider.get('func')}"
    if kind == "http":
        return f"{str(provider.get('method', 'GET')).upper()} {str(provider.get('url')).partition('?')[0]}"
    return str(provider.get("path"))


# --- in a worker -----------------------------------------------------------------------------------------------------


def run_activity(
    provider: Mapping[str, Json],
    configuration: Mapping[str, Json] | None = None,
    secrets: Mapping[str, Json] | None = None,
    cluster: Mapping[str, Json] | None = None,
) -> Json:
    """Run an action and return its output. `secrets` has places of secrets, not secrets. Raises where it failed.

    `cluster`: how the target is reached, where that is a cluster.
    """
    from gameday.faults.chaostoolkit import act

    return act(provider, configuration or {}, secrets or {}, cluster=cluster)


def prepare_undo(
    provider: Mapping[str, Json],
    configuration: Mapping[str, Json] | None = None,
    cluster: Mapping[str, Json] | None = None,
) -> None:
    """Raises ImportError, or RuntimeError for a secret, the kubeconfig, or another cluster behind it, where the undo
    couldn't be run: better known before the fault than after it. That a cluster does not answer now is no reason: it
    may when the undo is sent."""
    from gameday.faults.chaostoolkit import load, rehearse, unlock, way_for

    load(provider)
    unlock(provider)
    if cluster is not None:
        way_for(provider, cluster, ahead=True)
    if provider["type"] == "http":
        rehearse()


def undo(
    provider: Mapping[str, Json],
    configuration: Mapping[str, Json] | None = None,
    cluster: Mapping[str, Json] | None = None,
) -> Json:
    """The same as `run_activity`, prepared by `prepare_undo`; deleting what is gone already counts as done."""
    from gameday.faults.chaostoolkit import act

    return act(provider, configuration or {}, {}, cluster=cluster, gone_is_fine=True)


def prepare_undo_all(steps: Sequence[Mapping[str, Json]]) -> None:
    """`prepare_undo` for each of several."""
    for step in steps:
        prepare_undo(**step)


def undo_all(steps: Sequence[Mapping[str, Json]]) -> list[Json]:
    """`undo` for each of several, in order. All are tried, whatever becomes of those before.

    Raises:
        RuntimeError: some failed; the message says which.
    """
    found: list[Json] = []
    failed = []
    for number, step in enumerate(steps, 1):
        try:
            found.append(undo(**step))
        except Exception as error:  # noqa: BLE001 - an activity raises anything; the others are still to be undone
            failed.append(f"{number} of {len(steps)} ({described(step['provider'])}): {error}")
    if failed:
        raise RuntimeError("; ".join(failed))
    return found


def left_to(entry: str) -> dict[str, Json]:
    """What there is to say of a fault that another's undo takes away, once nothing of it runs any more."""
    return {"holds": True, "evidence": f"nothing of it runs; the undo of {entry} takes it away too, after this"}


def probe(activity: Mapping[str, Json], cluster: Mapping[str, Json] | None = None) -> Json:
    """Run a Chaos Toolkit probe and return its output, whatever status it carries. Raises where it failed.

    `cluster`: how the target is reached, where that is a cluster.
    With a `tolerance` of its own it returns `{"met": bool, "output": …}`, as that tool judges it.
    """
    from gameday.faults.chaostoolkit import ask

    return ask(activity, {}, {}, cluster=cluster)
