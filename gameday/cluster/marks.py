"""Changing an object that is somebody else's, so that it can always be told what was changed, and by whom.

Two steps, so that a request which is carried out late does nothing:

1. **mark**: an annotation with the exercise, the fault and the values before and after, and a label to find it by. It
   changes nothing that runs.
2. **strike**: the change itself, as a JSON Patch that *tests* the mark and every value it replaces.

The undo takes the mark away with the change, in one patch. A strike that a slow server carries out after that fails its
test: there is no moment at which an undone fault can come back. A value that somebody else has changed since is left
alone, and so is the mark: it stays loud.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gameday.cluster.api import Api, Json, Where
from gameday.cluster.errors import Refused
from gameday.cluster.kubectl import kubectl
from gameday.cluster.places import ABSENT as ABSENT
from gameday.cluster.places import Change, located
from gameday.cluster.places import pointer as pointer
from gameday.cluster.places import replaced as _replaced
from gameday.cluster.places import short as _short
from gameday.cluster.places import value_at as value_at
from gameday.cluster.resources import Resource, annotations_of, labels_of, meta, named

MARK = "gameday.dev/fault"
"""Annotation: the mark as JSON, see `mark_of`."""
EXERCISE = "gameday.dev/exercise"
"""Label of everything that gameday made or changed: the exercise."""
FAULT = "gameday.dev/entry"
"""Label: the fault's entry in the scenario."""
OUTAGE = "gameday.dev/outage"
"""The label, of no pod, that a Service asks for which points at nothing; its value is the exercise and the fault."""
_TRIES = 5


class Interfered(RuntimeError):
    """Somebody else has changed since what a fault had changed: it is left as it is.

    `commands`: shell lines for whoever decides whose will it is to be, see `choices`; empty where there is no choice.
    """

    def __init__(self, text: str, commands: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.commands = tuple(commands)


def mark_of(
    context: Mapping[str, Json],
    uid: str,
    changes: Sequence[Change],
    *,
    generation: int | None = None,
    revisions: Sequence[str] | None = None,
    revision: str | None = None,
) -> str:
    """The mark that a fault leaves on an object; with it alone the fault can be undone.

    `generation`: its, before. `revisions`: those of its rollout history that are like the fault's and were there
    before, by uid; None where the fault leaves none, or nobody could look. `revision`: the number of the one that it
    had, where it is a Deployment.
    """
    mark = {
        "exercise": context["exercise"],
        "entry": context["fault"],
        "uid": uid,
        "changes": [dict(change) for change in changes],
        **({"generation": generation} if generation is not None else {}),
        **({"revisions": list(revisions)} if revisions is not None else {}),
        **({"revision": revision} if revision is not None else {}),
    }
    return json.dumps(mark, sort_keys=True, separators=(",", ":"))


def label_value(text: str) -> str:
    """`text` as a label's value may be: at most 63 letters, digits, dashes, dots, underscores."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in text)
    return kept[:63].strip("-_.") or "x"


_MARK_AT = pointer("metadata", "annotations", MARK)
_VERSION_AT = pointer("metadata", "resourceVersion")
_LABELS_AT = [pointer("metadata", "labels", key) for key in (EXERCISE, FAULT)]


def check_unmarked(resource: Resource, thing: Mapping[str, Any]) -> None:
    """Raise ValueError where a fault of gameday stands on the object already; a rollback takes its mark, no labels."""
    if MARK in annotations_of(thing) or EXERCISE in labels_of(thing):
        data = meta(thing)
        whose = labels_of(thing).get(EXERCISE, "an exercise that can't be told")
        raise ValueError(
            f"{named(resource, data.get('namespace'), str(data['name']))} carries a fault of {whose} already "
            f"(annotation {MARK}, label {EXERCISE}): undo it with `gameday recover --target …`"
        )


# --- the fault -------------------------------------------------------------------------------------------------------


def strike(
    api: Api,
    resource: Resource,
    namespace: str | None,
    name: str,
    mark: str,
    check: Callable[[], None] | None = None,
) -> None:
    """Mark the object, then change it, if all is as the mark says it was before. `check` is called in between, and
    raises where it is not to be changed; then the mark stays, for the undo.

    Raises:
        RuntimeError: it is another object by now, or its values are other ones; nothing was changed.
        Refused, Unreachable: see `Api.ask`.
    """
    marked = _put_mark(api, resource, namespace, name, mark)
    if check is not None:
        check()
    changes = json.loads(mark)["changes"]
    what = named(resource, namespace, name)
    for left in reversed(range(_TRIES)):
        patch: list[dict[str, Json]] = [{"op": "test", "path": _MARK_AT, "value": mark}]
        if any(change["before"] == ABSENT for change in changes):
            # That a value is not there can't be tested, so it is tested that nothing has changed since it was not.
            patch.append({"op": "test", "path": _VERSION_AT, "value": meta(marked)["resourceVersion"]})
        for change in changes:
            patch += _replaced(change["path"], change["before"], change["after"])
        try:
            api.patch(resource, namespace, name, patch)
            return
        except Refused as refused:
            if refused.status != 422:
                raise
            marked = api.get(resource, namespace, name) or {}
            same = annotations_of(marked).get(MARK) == mark and all(
                value_at(marked, change["path"]) == change["before"] for change in changes
            )
            if not same or not left:
                said = refused.message[:200]
                raise RuntimeError(
                    f"{what} was changed by somebody else meanwhile; it was left alone ({said})"
                ) from None


def _put_mark(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> dict[str, Json]:
    """The object as it is with the mark on it."""
    said = json.loads(mark)
    what = named(resource, namespace, name)
    for left in reversed(range(_TRIES)):
        thing = api.get(resource, namespace, name)
        if thing is None:
            raise RuntimeError(f"{what} does not exist any more")
        if meta(thing)["uid"] != said["uid"]:
            raise RuntimeError(f"{what} was deleted and made anew since it was looked at; it was left alone")
        check_unmarked(resource, thing)
        for change in said["changes"]:
            if value_at(thing, change["path"]) != change["before"]:
                raise RuntimeError(f"{what}: {change['path']} was changed since it was looked at; it was left alone")
        marked = {
            "metadata": {
                "resourceVersion": meta(thing)["resourceVersion"],
                "annotations": {MARK: mark},
                "labels": {EXERCISE: label_value(said["exercise"]), FAULT: label_value(said["entry"])},
            }
        }
        try:
            found: dict[str, Json] = api.patch(resource, namespace, name, marked)
            return found
        except Refused as refused:
            # Its controller writes its status all the time.
            if refused.status != 409 or not left:
                raise
    raise AssertionError("the last try returns or raises")


# --- the undo --------------------------------------------------------------------------------------------------------


def undo(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> None:
    """Change the object back and take the mark off; legal from every state, also where nothing was ever done.

    Raises:
        Interfered: somebody else has changed it since; it was left alone.
        Refused, Unreachable: see `Api.ask`.
    """
    for left in reversed(range(_TRIES)):
        thing = _looked_up(api, resource, namespace, name, mark)
        state = _state(thing, mark)
        if thing is None or state == "clean":
            return
        if state != "marked":
            lines = choices(api, resource, thing, mark) or _only_back(api, resource, thing, mark)
            raise Interfered(f"{named(resource, namespace, name)}: {state}", lines)
        patch = _witnessed(thing, mark)
        # Without either, what is there of such kind is of another fault.
        off = [path for path in (_MARK_AT, *_LABELS_AT) if patch and value_at(thing, path) != ABSENT]
        # The other way round: what was appended to a list goes from its end.
        for change in reversed(located(thing, json.loads(mark)["changes"])):
            before, after = change["before"], change["after"]
            # What is the same before and after shows that it is the right container.
            if before == after or value_at(thing, change["path"]) != before:
                patch += _replaced(change["path"], after, before)
        patch += [{"op": "remove", "path": path} for path in off]
        try:
            api.patch(resource, namespace, name, patch)
            return
        except Refused as refused:
            # Between looking and patching somebody else was there: look again.
            if refused.status not in (409, 422) or not left:
                raise


def _witnessed(thing: Mapping[str, Any], mark: str) -> list[dict[str, Json]]:
    """Tests that the object is still ours as it was looked at: by its mark, or by its labels, see `_is_ours`; none
    where what the fault has set shows that by itself."""
    if annotations_of(thing).get(MARK) == mark:
        seen = [_MARK_AT]
    else:
        seen = _LABELS_AT if labelled(thing, json.loads(mark)) else []
    return [{"op": "test", "path": path, "value": value_at(thing, path)} for path in seen]


def _is_ours(thing: Mapping[str, Any], mark: str) -> bool:
    """Whether this fault stands on the object, or may.

    `kubectl rollout undo`, which is what people do in an outage, puts the annotations of an old ReplicaSet in the place
    of a Deployment's, and so takes the mark away, or puts an older one in its place. The labels stay. They stay too, as
    what the fault has set does, where somebody makes the object anew from what it was.
    """
    said = json.loads(mark)
    if annotations_of(thing).get(MARK) == mark or labelled(thing, said):
        return True
    return any(
        one["path"].endswith(pointer(OUTAGE)) and value_at(thing, one["path"]) == one["after"]
        for one in said["changes"]
    )


def labelled(thing: Mapping[str, Any], said: Mapping[str, Json]) -> bool:
    """Whether an object has the labels that belong to a mark."""
    wanted = [label_value(str(said["exercise"])), label_value(str(said["entry"]))]
    return [labels_of(thing).get(key) for key in (EXERCISE, FAULT)] == wanted


def undone(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> dict[str, Json]:
    """Whether nothing of the fault is left on the object, as `{"holds", "evidence"}`, and `gone` where it is not there
    any more. That nothing of ours is left does not say that it is as it was: where it is not, the evidence tells."""
    what = named(resource, namespace, name)
    thing = _looked_up(api, resource, namespace, name, mark)
    state = _state(thing, mark)
    if thing is None:
        return {"holds": True, "evidence": f"{what} does not exist any more", "gone": True}
    if state == "clean":
        return {"holds": True, "evidence": _as_it_is(what, thing, json.loads(mark))}
    return {"holds": False, "evidence": f"{what}: {'it still carries the fault' if state == 'marked' else state}"}


def _as_it_is(what: str, thing: Mapping[str, Any], said: Mapping[str, Json]) -> str:
    """What became of an object on which nothing of the fault is left, in words."""
    if meta(thing).get("uid") != said["uid"]:
        return f"{what} was deleted and made anew by somebody else since, and has nothing of the fault"
    theirs = [
        f"{change['path']} is {_short(now)}, set by somebody else since (before the fault it was "
        f"{_short(change['before'])})"
        for change in located(thing, said["changes"])
        if (now := value_at(thing, change["path"])) != change["before"]
    ]
    return f"{what} has nothing of the fault any more; {'; '.join(theirs)}" if theirs else f"{what} is as it was"


def stands(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> dict[str, Json]:
    """Whether the object is as the fault changed it, as `{"holds", "evidence"}`.

    Raises:
        Refused, Unreachable: see `Api.ask`.
    """
    what = named(resource, namespace, name)
    thing = _looked_up(api, resource, namespace, name, mark)
    if thing is None:
        return {"holds": False, "evidence": f"{what} was deleted"}
    for change in located(thing, json.loads(mark)["changes"]):
        now = value_at(thing, change["path"])
        if now != change["after"]:
            if meta(thing).get("uid") != json.loads(mark)["uid"]:
                return {"holds": False, "evidence": f"{what} was deleted"}
            back = ", as it was before" if now == change["before"] else ""
            return {"holds": False, "evidence": f"{what}: {change['path']} is {_short(now)}{back}"}
    return {"holds": True, "evidence": f"{what} is as the fault has it"}


def _looked_up(api: Api, resource: Resource, namespace: str | None, name: str, mark: str) -> dict[str, Json] | None:
    """The object as it is; that it is gone, or another one, is believed of its own cluster alone."""
    thing: dict[str, Json] | None = api.get(resource, namespace, name)
    if thing is None or meta(thing).get("uid") != json.loads(mark)["uid"]:
        api.recognise()
    return thing


def _state(thing: Mapping[str, Any] | None, mark: str) -> str:
    """`clean`, `marked` (and can be undone), or why it is left alone."""
    if thing is None:
        return "clean"
    said = json.loads(mark)
    ours = _is_ours(thing, mark)
    for change in located(thing, said["changes"]):
        now, before = value_at(thing, change["path"]), change["before"]
        if not ours and now == change["after"] != before:
            # Made anew, from what it was then, say, or as somebody wants it: nobody can tell.
            anew = "" if meta(thing).get("uid") == said["uid"] else "it was deleted and made anew since, and "
            return (
                f"{anew}{change['path']} is {_short(now)}, as the fault had it, but the fault's mark is gone: "
                f"it was {_short(before)} before"
            )
        if ours and now not in (before, change["after"]):
            return (
                f"somebody else has changed {change['path']} to {_short(now)} since (before the fault it was "
                f"{_short(before)}), so it was left alone"
            )
    return "marked" if ours else "clean"


# --- what a person pastes ---------------------------------------------------------------------------------------------


def by_hand(
    where: Where,
    resource: Resource,
    namespace: str | None,
    name: str,
    mark: str,
    *,
    thing: Mapping[str, Any] | None = None,
    marked: bool = True,
) -> tuple[str, ...]:
    """A shell line that puts the values back and takes the mark off; or that alone, where nothing was changed so far.

    It does nothing where the fault does not stand there, or somebody has changed since what it had changed: each value
    is tested before it is replaced or removed. `thing`: as it is, where that is known. `marked`: the fault's mark is
    on it, and not only its values.
    """
    said = json.loads(mark)
    labels = zip(_LABELS_AT, (said["exercise"], said["entry"]), strict=True)
    seen = [{"op": "test", "path": path, "value": label_value(str(value))} for path, value in labels if marked]
    # A rollback may have taken the annotation: what is put there first can be taken away in any case.
    off = [{"op": "add", "path": _MARK_AT, "value": ""}] if marked else []
    off += [{"op": "remove", "path": path} for path in (_MARK_AT, *_LABELS_AT) if marked]
    if thing is not None and marked:
        there = [path for path in (_MARK_AT, *_LABELS_AT) if value_at(thing, path) != ABSENT]
        seen, off = _witnessed(thing, mark), [{"op": "remove", "path": path} for path in there]
    back: list[dict[str, Json]] = []
    still: list[dict[str, Json]] = []
    for change in reversed(said["changes"] if thing is None else located(thing, said["changes"])):
        back += _replaced(change["path"], change["after"], change["before"])
        still.append({"op": "test", "path": change["path"], "value": change["before"]})
    patches = [[*seen, *back, *off]]
    if marked and not any(change["before"] == ABSENT for change in said["changes"]):
        # That a value is not there can't be tested, and a mark is not to be taken off a fault that stands.
        patches.append([*seen, *still, *off])
    command = [*kubectl(where, namespace), "patch", f"{resource.full_name}/{name}", "--type=json", "-p"]
    return (" || ".join(shlex.join([*command, json.dumps(patch)]) for patch in patches),)


def choices(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> tuple[str, ...]:
    """Shell lines that leave what somebody else has set and take the mark off, or put back what was before: each after
    a comment that says which it is. Empty where there is nothing to choose.

    Where all of them are pasted, theirs is kept: the second tests what the first takes away.
    """
    changes = located(thing, json.loads(mark)["changes"])
    theirs = [
        change
        for change in changes
        if value_at(thing, change["path"]) not in (change["before"], change["after"]) and _is_ours(thing, mark)
    ]
    if not theirs or any(change["before"] == change["after"] for change in theirs):
        # The container is not there any more: nobody knows what stands in its place.
        return ()
    paths = [path for path in (*_LABELS_AT, _MARK_AT) if value_at(thing, path) != ABSENT]
    seen = [{"op": "test", "path": paths[0], "value": value_at(thing, paths[0])}]
    gone = [{"op": "remove", "path": path} for path in paths]
    both: list[list[dict[str, Json]]] = [[], []]
    for change in reversed(changes):
        now, before = value_at(thing, change["path"]), change["before"]
        # By the time it is pasted somebody may have changed it once more, or moved it.
        steps = _replaced(change["path"], now, before) if now != before or before == change["after"] else []
        both[0] += [] if change in theirs else steps
        both[1] += steps
    now_is = ", ".join(f"{change['path']} is {_short(value_at(thing, change['path']))}" for change in theirs)
    kept = f"# to keep what somebody else has set ({now_is}), and only take the fault's mark off:"
    return two_ways(api, resource, thing, (kept, [*seen, *both[0], *gone]), (theirs, [*seen, *both[1], *gone]))


def two_ways(
    api: Api,
    resource: Resource,
    thing: Mapping[str, Any],
    keep: tuple[str, list[dict[str, Json]]],
    back: tuple[Sequence[Change], list[dict[str, Json]]],
    *beside: str,
) -> tuple[str, ...]:
    """Shell lines to choose from, each a JSON Patch after a comment that says what it does.

    `keep`: the comment and the patch that leave what stands there; `beside`: further lines that go with it. `back`: the
    changes that the other one puts back, and its patch.
    """
    data = meta(thing)
    command = [*kubectl(api.where, data.get("namespace")), "patch", f"{resource.full_name}/{data['name']}"]
    kept, undone = (shlex.join([*command, "--type=json", "-p", json.dumps(each)]) for each in (keep[1], back[1]))
    was = ", ".join(f"{change['path']} was {_short(change['before'])}" for change in back[0])
    return keep[0], kept, *beside, f"# or to put back what was before the fault ({was}):", undone


def _only_back(api: Api, resource: Resource, thing: Mapping[str, Any], mark: str) -> tuple[str, ...]:
    """The shell line that puts back what was before a fault whose mark is gone."""
    if _is_ours(thing, mark):
        return ()
    data = meta(thing)
    lines = by_hand(api.where, resource, data.get("namespace"), str(data["name"]), mark, thing=thing, marked=False)
    return ("# where nobody wants it so, to put back what was before the fault:", *lines)


_prepared: dict[str, Api] = {}


def prepared(where: Where) -> Api:
    """The connection of this process to a cluster; made where there is none yet."""
    key = json.dumps(where, sort_keys=True)
    if key not in _prepared:
        _prepared[key] = Api(where)
    return _prepared[key]
