"""`gameday manifests`: the service account, and the roles for exactly what scenarios do on a cluster, to be applied.

What is needed is told by the declarations (see `rights`); this puts it into the form of RBAC and says what each rule is
for. It changes nothing, and reaches the cluster only to see which engines it has, where the settings don't say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gameday.cli.options import config_option, parse_assignments
from gameday.errors import Exit, GamedayError, RefusedError, UsageError

if TYPE_CHECKING:
    from gameday.cluster.resources import Access
    from gameday.engine.ports import TargetInfo
    from gameday.scenario.models import Scenario
    from gameday.targets.settings import Settings

ACCOUNT = "gameday"
LABELS = {"app.kubernetes.io/name": "gameday", "app.kubernetes.io/managed-by": "gameday"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_API = "rbac.authorization.k8s.io"


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="SCENARIO…", type=click.Path(path_type=Path))
@click.option("--target", metavar="NAME", help="Where they would run, whatever the files say.")
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a parameter of the scenarios.")
@click.option("--engine", "engines", multiple=True, metavar="FAULT=ENGINE", help="As with run: what does a fault.")
@click.option("--service-account", "account", metavar="NAME", default=ACCOUNT, show_default=True)
@click.option(
    "--namespace",
    metavar="NS",
    help=f"Where the service account is, and is there already. Unless said: {ACCOUNT}, which is printed too.",
)
@config_option
def manifests(
    paths: tuple[Path, ...],
    target: str | None,
    pairs: tuple[str, ...],
    engines: tuple[str, ...],
    account: str,
    namespace: str | None,
    config: Path | None,
) -> int:
    """Print the service account and the roles that exactly these scenarios need on their cluster, as YAML.

    Name all scenarios that the account is for: what is applied later takes the place of what was before. Nothing is
    written anywhere; without a connection the engines are those of the settings. Ends with 5 where the target has
    nothing that does a fault. What each fault would touch is not asked: see `gameday preview`.
    """
    from gameday.cli.clusters import engine_choices
    from gameday.cli.rights import also, impossible, wanted
    from gameday.targets.settings import load_settings

    for option, value in (("--service-account", account), ("--namespace", namespace)):
        if value is not None and not _NAME.fullmatch(value):
            raise UsageError(f"{option} {value}: not a name that Kubernetes takes: lower-case letters, digits, dashes")
    settings = load_settings(explicit=config)
    if target is not None:
        _cluster(target, settings)
    scenarios, name = _read(paths, target, parse_assignments(pairs), settings)
    where = _with_engines(_cluster(name, settings), engine_choices(engines))
    document = where.to_json()
    needed: dict[str, list[str]] = {}
    for path, scenario in scenarios.items():
        if reasons := impossible(scenario, document):
            raise RefusedError("\n".join(f"{path}: {reason}" for reason in dict.fromkeys(reasons)))
        for right, reasons in [*wanted(scenario, document).items(), *also(scenario, document).items()]:
            known = needed.setdefault(right, [])
            known += [reason for reason in reasons if reason not in known]
        for line in _underivable(scenario):
            click.echo(f"{path}: {line}", err=True)
    files = ", ".join(str(path) for path in scenarios)
    said = _Said(account, namespace or ACCOUNT, own_namespace=namespace is None)
    click.echo(f"# What gameday needs on target {name} for {' '.join(files.split())}.")
    click.echo("\n---\n".join(said.documents(needed)))
    return Exit.OK


def _read(
    paths: Sequence[Path], target: str | None, pairs: dict[str, str], settings: Settings
) -> tuple[dict[Path, Scenario], str]:
    """The scenarios, and the one target that they are for."""
    from gameday.faults.catalogue import catalogue
    from gameday.interchange.files import load_file
    from gameday.targets.published import known_targets

    targets = known_targets(settings, target)
    found: dict[Path, Scenario] = {}
    names: dict[str, Path] = {}
    for path in paths:
        loaded = load_file(
            path, catalogue=catalogue(), parameters=pairs, preset=settings.severity.preset, targets=targets
        ).scenario
        found[path] = loaded
        names.setdefault(target or loaded.target or "none", path)
    if len(names) > 1:
        several = ", ".join(f"{path} is for {name}" for name, path in names.items())
        raise UsageError(f"one target at a time: {several}. Say which with --target")
    return found, next(iter(names))


def _cluster(name: str, settings: Settings) -> TargetInfo:
    from gameday.targets.resolving import check_target

    found = check_target(name, settings)
    if found.kind != "kubernetes":
        hint = "say which with --target" if name == "none" else "only a cluster has roles"
        raise UsageError(f"target {name} is of kind {found.kind}, not kubernetes: {hint}")
    return found


def _with_engines(target: TargetInfo, chosen: dict[str, str]) -> TargetInfo:
    """The target with its engines: those of the settings, else those found there, else those that are sure."""
    from gameday.cluster.engines import API, TOXIPROXY, resolved

    settings: dict[str, Any] = dict(target.settings)
    if not settings["engines"]:
        try:
            found = resolved(settings, target.name)
            settings["engines"], settings["left_out"] = list(found["engines"]), list(found["left_out"])
        except GamedayError as error:
            settings["engines"] = [API, *([TOXIPROXY] if settings.get("proxy") else [])]
            known = " and ".join(settings["engines"])
            click.echo(
                f"which engines there are can't be asked ({error}): reckoned with {known} alone. To say otherwise, put "
                f'engines = ["api", "chaos-mesh"] into [targets.{target.name}]',
                err=True,
            )
        settings["engines"] += [each for each in dict.fromkeys(chosen.values()) if each not in settings["engines"]]
    return replace(target, settings={**settings, "chosen": chosen})


def _underivable(scenario: Scenario) -> Iterator[str]:
    """What runs somebody else's code: nobody can tell what that asks of the cluster."""
    from gameday.targets.policy import activities

    for place, activity in activities(scenario):
        if activity.type == "http":
            continue
        extra = activity.model_extra or {}
        what = ".".join(str(extra[key]) for key in ("module", "func", "path") if isinstance(extra.get(key), str))
        yield (
            f"{place} runs {what or activity.type}: the rights that it needs can't be derived and are not among the "
            "rules; add them where it uses the cluster"
        )


class _Said:
    """The documents for one service account."""

    def __init__(self, account: str, namespace: str, *, own_namespace: bool) -> None:
        self.account, self.namespace, self.own_namespace = account, namespace, own_namespace
        # Not the account's name alone: a Role of that name may be somebody's, and would be written over.
        self.role = "-".join(dict.fromkeys((ACCOUNT, account)))
        self.cluster_role = "-".join(dict.fromkeys((ACCOUNT, namespace, account)))

    def documents(self, needed: Mapping[str, Sequence[str]]) -> Iterator[str]:
        """YAML documents, in the order in which they can be applied."""
        from gameday.cluster.resources import Access

        by_namespace: dict[str, dict[Access, Sequence[str]]] = {}
        for right, reasons in needed.items():
            access = Access.parse(right)
            by_namespace.setdefault(access.namespace, {})[access] = reasons
        if self.own_namespace:
            yield _object("v1", "Namespace", self.namespace, None, extra={"gameday.dev/protected": '"true"'})
        yield _object("v1", "ServiceAccount", self.account, self.namespace)
        for namespace, rights in sorted(by_namespace.items()):
            kind, name = ("Role", self.role) if namespace else ("ClusterRole", self.cluster_role)
            head = _object(f"{_API}/v1", kind, name, namespace or None)
            yield "\n".join([head, "rules:", *_rules(rights)])
            yield "\n".join(
                [
                    _object(f"{_API}/v1", f"{kind}Binding", name, namespace or None),
                    f"roleRef: {{apiGroup: {_API}, kind: {kind}, name: {_text(name)}}}",
                    "subjects:",
                    f"  - {{kind: ServiceAccount, name: {_text(self.account)}, namespace: {_text(self.namespace)}}}",
                ]
            )


def _object(
    version: str, kind: str, name: str, namespace: str | None, *, extra: Mapping[str, str] | None = None
) -> str:
    lines = [f"apiVersion: {version}", f"kind: {kind}", "metadata:", f"  name: {_text(name)}"]
    if namespace is not None:
        lines.append(f"  namespace: {_text(namespace)}")
    lines.append("  labels:")
    lines += [f"    {key}: {value}" for key, value in {**LABELS, **(extra or {})}.items()]
    return "\n".join(lines)


def _rules(rights: Mapping[Access, Sequence[str]]) -> Iterator[str]:
    """A rule for each kind of object, with what needs it; kinds of which the same is needed share one."""
    kinds: dict[tuple[str, str, str], dict[str, tuple[str, ...]]] = {}
    for access, reasons in sorted(rights.items()):
        kind = (access.group, f"{access.plural}/{access.sub}" if access.sub else access.plural, access.name)
        kinds.setdefault(kind, {})[access.verb] = tuple(sorted(reasons))
    rules: dict[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]], list[str]] = {}
    for (group, resource, name), verbs in sorted(kinds.items()):
        rules.setdefault((group, name, tuple(sorted(verbs.items()))), []).append(resource)
    for (group, name, verbs_and_reasons), resources in rules.items():
        yield from _comments(verbs_and_reasons)
        yield f'  - apiGroups: ["{group}"]'
        yield f"    resources: [{', '.join(resources)}]"
        if name:
            yield f"    resourceNames: [{_text(name)}]"
        yield f"    verbs: [{', '.join(verb for verb, _ in verbs_and_reasons)}]"


def _comments(verbs: Sequence[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    """For what the verbs are, one line for those that are for the same."""
    by_reasons: dict[tuple[str, ...], list[str]] = {}
    for verb, reasons in verbs:
        by_reasons.setdefault(reasons, []).append(verb)
    for reasons, which in by_reasons.items():
        lead = f"{', '.join(which)}: " if len(by_reasons) > 1 else ""
        yield f"  # {lead}{', '.join(reasons)}"


def _text(name: str) -> str:
    """A name as YAML: quoted where it would be read as something else (`on`, `1e3`)."""
    import yaml

    return name if yaml.safe_load(name) == name else json.dumps(name)
