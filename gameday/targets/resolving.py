"""From a target's name to what faults and probes need to know of it. Reads no file and reaches no target.

The sandbox's addresses are known only once it is up, and by another room; whoever brings it up passes them in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gameday.engine.ports import Json, TargetInfo
from gameday.errors import TargetError, UsageError
from gameday.scenario.problems import nearest_or_all
from gameday.targets.published import SANDBOX_MEASURES, SANDBOX_NAMES, SANDBOX_SERVICES, published_names
from gameday.targets.settings import BUILT_IN, Settings, TargetSettings, as_probe

NAMESPACE_PERCENT = 80.0
"""The largest share of a namespace's pods that faults touch unless the target says otherwise."""


def check_target(name: str, settings: Settings) -> TargetInfo:
    """What is known of a target before anything is brought up: kind, environment, services; of the sandbox no address.

    Raises:
        UsageError: there is no target of this name; the message has the nearest right one.
    """
    if name == "none":
        return TargetInfo("none", "none", "tabletop")
    if name == "sandbox":
        return TargetInfo("sandbox", "sandbox", "sandbox", services=SANDBOX_SERVICES, measures=SANDBOX_MEASURES)
    if name not in settings.targets:
        hint = nearest_or_all(name, [*BUILT_IN, *sorted(settings.targets)])
        where = f"add [targets.{name}] to {settings.path or 'a gameday.toml'}"
        raise UsageError(f"there is no target {name!r}; {hint}, or {where}")
    said = settings.targets[name]
    return TargetInfo(
        name,
        said.kind,
        said.environment,
        names=published_names(said),
        services=tuple(said.services),
        measures={measure: as_probe(probe) for measure, probe in said.measures.items()},
        settings=_cluster(said) if said.kind == "kubernetes" else {"proxy": said.proxy} if said.proxy else {},
    )


def _cluster(said: TargetSettings) -> dict[str, Json]:
    """What faults need to know of a cluster; the meaning of each key is that of the settings file."""
    services = {}
    for name, service in said.service_tables.items():
        table = service.model_dump(exclude_none=True, exclude_defaults=True)
        services[name] = {**table, "namespace": service.namespace or said.namespaces[0]}
    found: dict[str, Json] = {
        "cluster": {
            "kubeconfig": None if said.in_cluster else _kubeconfig(said),
            "context": said.context,
            "in_cluster": bool(said.in_cluster),
        },
        "namespaces": list(said.namespaces),
        "namespace_percent": said.namespace_percent or NAMESPACE_PERCENT,
        "services": services,
        "engines": list(said.engines),
    }
    if said.opt_in is not None:
        found["opt_in"] = said.opt_in
    if said.proxy is not None:
        found["proxy"] = said.proxy
    return found


def _kubeconfig(said: TargetSettings) -> str:
    """Its file, or several as in `$KUBECONFIG`: whoever undoes may be in another folder, with another environment."""
    files = said.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    # Unlike Path's, this one leaves ~ as it is where nobody knows a home.
    paths = [Path(os.path.expanduser(one)).absolute() for one in files.split(os.pathsep) if one]  # noqa: PTH111
    return os.pathsep.join(map(str, paths))


def resolve(name: str, settings: Settings, *, sandbox_info: Mapping[str, Json] | None = None) -> TargetInfo:
    """The target `name`. For the sandbox `sandbox_info` has its addresses and `state_dir`.

    Raises:
        UsageError: there is no such target.
        TargetError: it is the sandbox, and that is not up.
    """
    if name == "sandbox":
        if sandbox_info is None:
            raise TargetError("the sandbox is not up: start it with `gameday sandbox up`")
        return sandbox_target(sandbox_info, str(sandbox_info.get("state_dir", "")))
    return check_target(name, settings)


def sandbox_target(info: Mapping[str, Json], state_dir: str) -> TargetInfo:
    """The running sandbox as a target. `info` has its addresses by name (other keys are passed over).

    Raises:
        TargetError: an address is missing: this sandbox is not of this version.
    """
    missing = [name for name in (*SANDBOX_NAMES, "proxy") if not isinstance(info.get(name), str)]
    if missing:
        raise TargetError(
            f"the sandbox in {state_dir} publishes no {missing[0]}: it is of another version; "
            "take it down with `gameday sandbox down` and start it anew"
        )
    return TargetInfo(
        "sandbox",
        "sandbox",
        "sandbox",
        names={name: str(info[name]) for name in SANDBOX_NAMES},
        services=SANDBOX_SERVICES,
        measures=SANDBOX_MEASURES,
        settings={"control": str(info["control"]), "proxy": str(info["proxy"]), "state_dir": state_dir},
    )
