"""What faults on the plain API have in common: objects that may be changed, and several changed or made at a time.

Each object is claimed before it is struck (see `gameday.cluster.marks` and `creations`). An undo tries all of them,
whatever becomes of the others. Which objects, and what verifies the fault, is each fault's own business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gameday.cluster import creations, marks
from gameday.cluster.afterwards import theirs
from gameday.cluster.api import Api, Where
from gameday.cluster.happenings import REVISION
from gameday.cluster.marks import prepared
from gameday.cluster.places import Change
from gameday.cluster.resources import ALL, SERVICES, Resource, annotations_of, labels_of, meta, named
from gameday.cluster.services import Pod, Service, Workload, check_unprotected, pods_of, protection
from gameday.cluster.shares import Choice, Space, check_limits, look, whole_of
from gameday.engine.ports import Json
from gameday.frozen import frozen
from gameday.targets.selectors import as_text

ROOM = "gameday.faults.kubernetes.changes"
_SHOWN = 5


# --- before: what may be touched -------------------------------------------------------------------------------------


def changeable(
    api: Api,
    resource: Resource,
    namespace: str | None,
    name: str,
    target: Mapping[str, Json],
    context: Mapping[str, Json],
) -> dict[str, Json]:
    """An object as it is, which a fault may change.

    Raises:
        ValueError: it is not there, may not be touched, or a fault stands on it already.
    """
    what = named(resource, namespace, name)
    thing = api.get(resource, namespace, name)
    if thing is None:
        raise ValueError(f"there is no {what}")
    if "deletionTimestamp" in meta(thing):
        raise ValueError(f"{what} is being deleted")
    check_unprotected(what, labels_of(thing), target["settings"].get("opt_in"))
    if labels_of(thing).get(marks.EXERCISE) == marks.label_value(str(context["exercise"])):
        other = labels_of(thing).get(marks.FAULT, "another entry")
        raise ValueError(
            f"{what} is changed by {other} of this exercise still, and two faults can't change one object at a time: "
            f"let that one end before (`for:` shorter, or a later `at:`)"
        )
    marks.check_unmarked(resource, thing)
    found: dict[str, Json] = thing
    return found


def check_pods(what: str, pods: Iterable[Pod], target: Mapping[str, Json]) -> None:
    """Raise ValueError where a fault that can't leave single pods out would touch one that it may not."""
    opt_in = target["settings"].get("opt_in")
    kept = [f"{pod.name}: {why}" for pod in pods if (why := protection(pod.labels, opt_in, pod.name))]
    if kept:
        more = f"; and {len(kept) - _SHOWN} more" if len(kept) > _SHOWN else ""
        raise ValueError(f"{what} would touch pods that may not be touched ({'; '.join(kept[:_SHOWN])}{more})")


def pods_behind(api: Api, its: Service) -> tuple[list[Pod], Workload | None, str]:
    """The pods of a service, what runs them, and the selector that finds them; by its Service where that is all.

    Raises:
        ValueError: nothing says which pods are its, or there are none.
    """
    if not (its.workload or its.selector) and its.service:
        thing = api.get(SERVICES, its.namespace, its.service) or {}
        its = replace(its, selector=as_text({"matchLabels": (thing.get("spec") or {}).get("selector") or {}}))
    pods, runs = pods_of(api, its)
    return pods, runs, its.selector or (runs.selector if runs is not None else "")


@frozen
class Side:
    """Pods that a fault is for, all of them, those that have yet to start too; and what shares of them are of."""

    pods: tuple[Pod, ...]
    whole: tuple[Pod, ...]
    """All those of the workload."""
    total: int
    """How many the workload should have."""
    space: Space

    def check(
        self,
        where: str,
        context: Mapping[str, Json],
        target: Mapping[str, Json],
        *,
        number: int | None = None,
        lasting: bool = False,
    ) -> Choice:
        """What would be touched: all of these, or a `number` of them; see `check_limits`."""
        many = len(self.pods) if number is None else number
        out = check_limits(
            where, many, self.pods, self.whole, self.total, [self.space], context, target, lasting=lasting
        )
        return Choice(self.pods, self.total, self.space.counts, out=out)


def side_of(api: Api, pods: Sequence[Pod], runs: Workload | None, namespace: str, context: Mapping[str, Json]) -> Side:
    """Pods of a namespace, run by what is known to do so, as they are now."""
    space = look(api, namespace, context)
    staying = tuple(pod for pod in pods if not pod.leaving)
    whole = tuple(pod for pod in whole_of(space, pods, runs) if not pod.leaving)
    return Side(staying, whole, max(len(whole), runs.replicas if runs is not None else 0), space)


_KEEPERS = {
    "argocd.argoproj.io/": "Argo CD",
    "kustomize.toolkit.fluxcd.io/": "Flux",
    "helm.toolkit.fluxcd.io/": "Flux",
}
"""What labels and annotations begin with that tell who keeps an object as it stands in a repository."""


def kept_by_others(thing: Mapping[str, Any]) -> Iterator[str]:
    """Notes on who may change an object back while the fault lasts."""
    for owner in meta(thing).get("ownerReferences") or ():
        yield f"it belongs to {owner.get('kind')} {owner.get('name')}, whose controller may change it back at once"
    said = [*labels_of(thing), *annotations_of(thing)]
    for who in dict.fromkeys(who for key in said for start, who in _KEEPERS.items() if key.startswith(start)):
        yield f"{who} keeps it as it stands in a repository and may change it back at once: pause that first"


# --- several objects, changed ----------------------------------------------------------------------------------------


@frozen
class Struck:
    """An object of somebody else that a fault changes, and how."""

    resource: Resource
    namespace: str | None
    thing: Mapping[str, Any]
    changes: tuple[Change, ...]
    revisions: tuple[str, ...] | None = None
    """See `marks.mark_of`."""

    @property
    def name(self) -> str:
        return str(meta(self.thing)["name"])

    @property
    def key(self) -> str:
        """As plans name what they change: `deployment:shop/checkout`, `node:worker-1`."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.resource.kind.lower()}:{place}"

    def to_json(self, target: Mapping[str, Json], context: Mapping[str, Json]) -> dict[str, Json]:
        """As the functions below take it: the object, the mark that goes on it, and what it must have opted in by."""
        whose: dict[str, Json] = {"kind": self.resource.kind, "namespace": self.namespace, "name": self.name}
        return {**whose, "mark": self._mark(context), "opt_in": target["settings"].get("opt_in")}

    def _mark(self, context: Mapping[str, Json]) -> str:
        data = meta(self.thing)
        return marks.mark_of(
            context,
            str(data["uid"]),
            self.changes,
            generation=data.get("generation"),
            revisions=self.revisions,
            revision=annotations_of(self.thing).get(REVISION),
        )

    def by_hand(self, where: Where, context: Mapping[str, Json]) -> tuple[str, ...]:
        return marks.by_hand(where, self.resource, self.namespace, self.name, self._mark(context))


def inject_marks(where: Where, objects: Sequence[Mapping[str, Json]], check: Callable[[], None] | None = None) -> None:
    """Mark and strike each, unless it was protected, or opted out, since it was planned. `check` raises RuntimeError
    where the first is not to be struck after all; it is called with its mark on.

    Raises:
        RuntimeError: one may not be touched any more, or see `marks.strike`; those before it are changed.
    """
    api = Api(where)
    for one in objects:
        thing = api.get(*_of(one)) or {}
        if why := protection(labels_of(thing), one["opt_in"]) if thing else "":
            raise RuntimeError(f"{named(*_of(one))} may not be touched any more: {why}")
        marks.strike(api, *_of(one), one["mark"], check)
        check = None


def prepare_undo_marks(where: Where, objects: Sequence[Mapping[str, Json]]) -> None:
    prepared(where).warm_up()


def undo_marks(where: Where, objects: Sequence[Mapping[str, Json]]) -> None:
    """Raises what `marks.undo` does; of several objects after all have been tried."""
    api = prepared(where)
    _all(objects, lambda one: marks.undo(api, *_of(one), one["mark"]))


def marks_undone(where: Where, objects: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Whether nothing of the fault is left on any of them, and all of them are there."""
    api = prepared(where)
    return first_that_fails([_there(marks.undone(api, *_of(one), one["mark"])) for one in objects])


def _there(answer: dict[str, Json]) -> dict[str, Json]:
    """Nothing can be left on what is gone, and yet it is not as it was."""
    if not answer.pop("gone", False):
        return answer
    return theirs(f"{answer['evidence']}: somebody else has deleted it since")


def marks_stand(where: Where, objects: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Whether all of them are as the fault changed them."""
    api = prepared(where)
    return first_that_fails([marks.stands(api, *_of(one), one["mark"]) for one in objects])


def _of(one: Mapping[str, Json]) -> tuple[Resource, str | None, str]:
    return ALL[one["kind"]], one["namespace"], one["name"]


# --- several objects, made -------------------------------------------------------------------------------------------


def inject_made(where: Where, objects: Sequence[Mapping[str, Any]]) -> None:
    """Make each of `{"kind", "inert", "strike"}` (see `creations.make`)."""
    api = Api(where)
    for one in objects:
        creations.make(api, ALL[one["kind"]], one["inert"], one["strike"])


def prepare_undo_made(where: Where, objects: Sequence[Mapping[str, Any]]) -> None:
    prepared(where).warm_up()


def undo_made(where: Where, objects: Sequence[Mapping[str, Any]]) -> None:
    api = prepared(where)
    _all(objects, lambda one: creations.remove(api, *_of(one), one["own"]))


def made_undone(where: Where, objects: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    api = prepared(where)
    return first_that_fails([creations.gone(api, *_of(one)) for one in objects])


def made_stand(where: Where, objects: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Whether all of them are there."""
    api = prepared(where)
    return first_that_fails([creations.stands(api, *_of(one), one["own"]) for one in objects])


def _all(objects: Sequence[Mapping[str, Any]], undo: Callable[[Mapping[str, Any]], None]) -> None:
    """Undo each, newest first, and only then say what went wrong."""
    failed: list[RuntimeError] = []
    commands: list[str] = []
    for one in reversed(objects):
        try:
            undo(one)
        except RuntimeError as error:
            failed.append(error)
            commands += getattr(error, "commands", ())
    if len(failed) == 1:
        raise failed[0]
    if failed:
        text = "; ".join(str(error) for error in failed)
        chosen = all(getattr(error, "commands", ()) for error in failed)
        raise marks.Interfered(text, commands) if chosen else RuntimeError(text)


def first_that_fails(answers: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """All evidence where all hold, else that of the first that doesn't; one that is undone comes last."""
    for answer in sorted(answers, key=lambda one: bool(one.get("undone"))):
        if not answer["holds"]:
            return dict(answer)
    return {"holds": True, "evidence": "; ".join(str(answer["evidence"]) for answer in answers)}
