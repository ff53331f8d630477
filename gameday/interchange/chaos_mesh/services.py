"""From a manifest's selectors to services of a target: scenarios name services, and `gameday.toml` says which pods.

What a service's table can't say (a node, an annotation) is listed, and stands in the table as a comment: whoever pastes
the table decides which pods the name stands for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from gameday.frozen import field, frozen, slotted
from gameday.interchange.chaos_mesh.parts import NotCarried, Part
from gameday.scenario.problems import shown
from gameday.targets.addresses import outside
from gameday.targets.selectors import as_text, parse

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_POD = _NAMESPACE
_LABEL = re.compile(r"[A-Za-z0-9_./-]{1,317}\Z")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?\Z")
_TELLING = ("app.kubernetes.io/name", "app", "k8s-app", "name", "service", "run", "component", "tier", "role")
"""Labels whose values are what people call a service, the best first."""
_OF_DEPLOYMENT = re.compile(r"(.+)-[a-z0-9]{5,10}-[a-z0-9]{5}\Z")
_OF_STATEFULSET = re.compile(r"(.+)-[0-9]{1,3}\Z")
EVERYTHING = "!gameday.dev/protected"
"""A label selector for all pods of a namespace that may be touched."""


@slotted
class Table:
    """One service as `gameday.toml` has to know it."""

    namespace: str = ""
    workload: str = ""
    selector: str = ""
    external: tuple[str, ...] = ()
    notes: dict[str, None] = field(default_factory=dict)
    """Which pods are meant, where the keys can't say it."""
    hints: dict[str, None] = field(default_factory=dict)
    """What else a fault needs to know of it."""

    @property
    def means(self) -> tuple[object, ...]:
        """What makes two of them the same service; comments count, since they say which pods are meant."""
        return self.namespace, self.workload, self.selector, self.external, tuple(sorted(self.notes))


@frozen
class Selected:
    """A service, and where the manifest names very pods of it, their names."""

    service: str
    pods: tuple[str, ...] = ()


class Services:
    """All services that the manifests of one file are about, each once."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}

    def selected(self, part: Part | None, home: str, fallback: str, way_of: Part) -> Selected:
        """The service that a `selector` is about. `home`: the namespace of the manifest itself.

        Raises:
            NotCarried: no service can stand for it.
        """
        if part is None:
            raise NotCarried(way_of.at("selector"), "there is no selector, so nobody knows whose pods are meant")
        if part.take("physicalMachines"):
            raise NotCarried(part.at("physicalMachines"), "machines are no pods: no fault is for them")
        if pods := part.take("pods"):
            return self._very(part, pods)
        table = Table(namespace=_namespace(part, home), selector=_selector(part))
        pod = _fields(part, table)
        for key, what in (
            ("annotationSelectors", "with these annotations"),
            ("nodeSelectors", "on nodes with these labels"),
            ("nodes", "on these nodes"),
        ):
            if value := part.take(key):
                _only(part, table, key, f"{what}: {json.dumps(value, ensure_ascii=True)[:120]}")
        phases = part.texts("podPhaseSelectors")
        if phases and "Running" not in phases:
            raise NotCarried(part.at("podPhaseSelectors"), "only pods that run are touched")
        part.rest("a service has no place for it, so more pods may be meant by its name")
        if not table.namespace:
            if not (table.selector or pod):
                why = "neither it nor the manifest says a namespace: nobody knows whose pods are all of them"
                raise NotCarried(part.at("namespaces"), why)
            why = "neither it nor the manifest says a namespace: a guess, the first of the target's is taken"
            part.change("namespaces", why)
            table.notes["in which namespace is a guess, the first of the target's: write namespace = …"] = None
        if not table.selector:
            table.selector = EVERYTHING
            table.notes[f"all pods of the namespace{'' if not table.notes else ' but for what is said here'}"] = None
        name = _told(table.selector) or (table.namespace if table.selector == EVERYTHING else "") or fallback
        return Selected(self._named(name, table), (pod,) if pod else ())

    def external(self, part: Part, key: str) -> str:
        """The service outside of the cluster that a list of hosts is; "" where there are none."""
        hosts = part.texts(key)
        for host in hosts:
            try:
                outside(host)
            except ValueError:
                raise NotCarried(part.at(key), f"{shown(host)} is no host name, address or CIDR") from None
        if not hosts:
            return ""
        first = hosts[0].partition("/")[0]
        return self._named(f"external-{first}" if first[:1].isdigit() else first, Table(external=tuple(hosts)))

    def _very(self, part: Part, pods: object) -> Selected:
        """Pods by name: Chaos Mesh looks at nothing else then."""
        way = part.at("pods")
        if not isinstance(pods, dict) or not all(isinstance(names, list) for names in pods.values()):
            raise NotCarried(way, "a mapping from namespaces to lists of pods should be here")
        namespace = next((key for key, names in pods.items() if names), "")
        names = [str(name) for name in pods.get(namespace) or ()]
        if not _NAMESPACE.match(namespace) or not all(_POD.match(name) for name in names):
            raise NotCarried(way, "these are no names of a namespace and of pods")
        if any(each for key, each in pods.items() if key != namespace):
            others = ", ".join(key for key, each in pods.items() if each and key != namespace)
            part.lose("pods", f"a service is in one namespace: {namespace} is taken, and not {others}")
        owners = {_owner(name) for name in names}
        if len(owners) > 1 or not all(owners):
            why = "which workload these pods are of can't be told from their names: select them by labels"
            raise NotCarried(way, why if not all(owners) else "they are of several workloads: make a fault for each")
        for key, value in part.raw.items():
            if key not in part.taken and value:
                part.change(key, "beside pods Chaos Mesh does not look at it either")
                part.taken.add(key)
        workload = str(owners.pop())
        table = Table(namespace=namespace, workload=workload, notes={"told by the names of its pods: check it": None})
        return Selected(self._named(workload.partition("/")[2], table), tuple(dict.fromkeys(names)))

    def _named(self, wanted: str, table: Table) -> str:
        """The name of a service; two different ones never have the same."""
        plain = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-_")[:48].rstrip("-_")
        plain = plain if plain[:1].isalpha() else f"service-{plain}".rstrip("-")
        name, number = plain, 1
        while name in self.tables and self.tables[name].means != table.means:
            number += 1
            name = f"{plain}-{number}"
        self.tables.setdefault(name, table)
        return name

    def keep(self, names: set[str]) -> None:
        """Forget all others."""
        self.tables = {name: table for name, table in self.tables.items() if name in names}

    def lines(self) -> list[str]:
        """The tables, as they have to stand in `gameday.toml`."""
        found = []
        if namespaces := dict.fromkeys(table.namespace for table in self.tables.values() if table.namespace):
            found = [f"# the target's: namespaces = [{_listed(namespaces)}]"]
        for name, table in self.tables.items():
            found += ["", f"[targets.….services.{name}]"]
            found += [f"# {note}" for note in (*table.notes, *table.hints)]
            for key in ("namespace", "workload", "selector"):
                if value := getattr(table, key):
                    found.append(f"{key} = {json.dumps(value)}")
            if table.external:
                found.append(f"external = [{_listed(table.external)}]")
        return found[1:] if found[:1] == [""] else found


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(json.dumps(text) for text in texts)


def _namespace(part: Part, home: str) -> str:
    names = part.texts("namespaces") or ([home] if home else [])
    for name in names:
        if not _NAMESPACE.match(name):
            raise NotCarried(part.at("namespaces"), f"{shown(name)} is no namespace")
    if len(names) > 1:
        part.lose("namespaces", f"a service is in one namespace: {names[0]} is taken, and not {', '.join(names[1:])}")
    return names[0] if names else ""


def _selector(part: Part) -> str:
    """The label selector as text; "" for all pods."""
    labels = part.pairs("labelSelectors")
    for key, value in labels.items():
        if not _LABEL.match(key) or not _VALUE.match(value):
            raise NotCarried(part.at("labelSelectors"), f"{shown(key)}: {shown(value)} is no label")
    said = part.take("expressionSelectors") or []
    expressions = [_expression(one) for one in said] if isinstance(said, list) else [None]
    if None in expressions:
        raise NotCarried(part.at("expressionSelectors"), "this is no expression on labels")
    text = as_text({"matchLabels": labels, "matchExpressions": expressions})
    if text:
        parse(text)
    return text


def _expression(one: object) -> dict[str, object] | None:
    """One expression on labels; None where it is none."""
    if not isinstance(one, dict):
        return None
    key, operator, values = str(one.get("key") or ""), one.get("operator"), one.get("values") or []
    if operator not in ("In", "NotIn", "Exists", "DoesNotExist") or not _LABEL.match(key):
        return None
    if not isinstance(values, list) or bool(values) is not (operator in ("In", "NotIn")):
        return None
    texts = [str(value) for value in values]
    fit = all(isinstance(value, str | int) and _VALUE.match(str(value)) for value in values)
    return {"key": key, "operator": operator, "values": texts} if fit else None


def _fields(part: Part, table: Table) -> str:
    """The pod that field selectors name; what else they say stands in the table's comments."""
    pod = ""
    for key, value in part.pairs("fieldSelectors").items():
        if key == "metadata.name" and _POD.match(value):
            pod = value
        elif key == "metadata.namespace" and value == table.namespace:
            continue
        elif (key, value) != ("status.phase", "Running"):
            _only(part, table, "fieldSelectors", f"with {key[:80]} = {value[:80]}")
    return pod


def _only(part: Part, table: Table, key: str, which: str) -> None:
    said = "".join(c if c.isprintable() else "\ufffd" for c in which)
    table.notes[f"the manifest means only its pods {said}"] = None
    part.lose(key, "a service has no place for it: give those pods a label of their own, and select by it")


def _told(selector: str) -> str:
    """A name for what a label selector selects."""
    values = {}
    for one in parse(selector)["matchExpressions"] if selector else ():
        if one["operator"] == "In" and len(one.get("values") or ()) == 1:
            values[one["key"]] = one["values"][0]
    for key in _TELLING:
        if values.get(key):
            return str(values[key])
    best = [
        value for key, value in values.items() if key.rpartition("/")[2] in ("component", "name", "app", "instance")
    ]
    return str((best or list(values.values()) or [""])[0])


def _owner(pod: str) -> str:
    if found := _OF_STATEFULSET.match(pod):
        return f"statefulset/{found[1]}"
    found = _OF_DEPLOYMENT.match(pod)
    return f"deployment/{found[1]}" if found else ""
