"""How many pods a fault may touch: which it takes, of how many, and what is out already when it comes.

What is out already counts as touched: pods that are not ready or are being deleted, whoever did that, and those that
other faults of the same exercise take while they stand, though they may look well. So two faults never take together
what one alone may not. Only reads.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from gameday.cluster.api import Api, Json
from gameday.cluster.services import Pod, Service, Workload, list_pods, owns, pods_of, protection
from gameday.engine.workers import function
from gameday.errors import GamedayError
from gameday.frozen import frozen, replace
from gameday.targets.selectors import matches, parse

_TAKEN = "taken by "
_NAMED = 3
"""So many pods of one kind are named in a refusal."""


# --- what a fault takes, for those that come after it ----------------------------------------------------------------


def these(pods: Iterable[Pod]) -> tuple[Json, ...]:
    """`Plan.takes` of a fault on these very pods."""
    return _these(pods, {})


def killed(pods: Iterable[Pod], runs: Workload | None) -> tuple[Json, ...]:
    """`Plan.takes` of a fault that takes these very pods away, of those of a workload."""
    more = {} if runs is None else {"of": runs.selector, "wanted": runs.replicas}
    return _these(pods, {"dies": True, **more})


def _these(pods: Iterable[Pod], more: Mapping[str, Json]) -> tuple[Json, ...]:
    spaces: dict[str, list[str]] = {}
    for pod in pods:
        spaces.setdefault(pod.namespace, []).append(pod.uid)
    return tuple({"namespace": space, "uids": uids, **more} for space, uids in spaces.items())


def all_of(namespace: str, selector: str) -> tuple[Json, ...]:
    """`Plan.takes` of a fault on all pods with these labels, those that come while it stands too."""
    return ({"namespace": namespace, "selector": selector},)


def scaled(runs: Workload) -> tuple[Json, ...]:
    """`Plan.takes` of a fault that takes all pods of a workload away."""
    whose = {"of": runs.selector, "wanted": runs.replicas}
    return ({"namespace": runs.namespace, "selector": runs.selector, "dies": True, **whose},)


def some_of(namespace: str, selector: str, number: int, *, again: bool = False) -> tuple[Json, ...]:
    """`Plan.takes` of a fault on so many of the pods with these labels, whichever; `again`: and then on others."""
    return ({"namespace": namespace, "selector": selector, "some": number, "again": again},)


@frozen
class Taken:
    """What another fault of the same exercise takes in one namespace, as long as it stands."""

    entry: str
    uids: frozenset[str]
    selector: Mapping[str, Json] | None
    """Of all that it takes, or with `some` of those that it takes some of; None where it takes `uids`."""
    some: int
    again: bool
    """It strikes again and again, as far as the limits allow. Pods that are ready it takes for well."""
    dies: bool
    of: Mapping[str, Json] | None = None
    """Where pods are taken away: what finds all those of the workload, and in `wanted` how many those are."""
    wanted: int = 0

    def has(self, pod: Pod) -> bool:
        """Whether it is known to take this very pod."""
        return not self.some and self.may_have(pod)

    def among(self, pod: Pod) -> bool:
        """Whether it takes pods of this one's workload away."""
        return self.of is not None and matches(self.of, pod.labels)

    def may_have(self, pod: Pod) -> bool:
        return pod.uid in self.uids or (self.selector is not None and matches(self.selector, pod.labels))


def _taken(context: Mapping[str, Json], namespace: str, turn: int) -> list[Taken]:
    """`turn`: as in `choose`. What was said when a fault that repeats was planned may be over since: that is asked."""
    found: list[Taken] = []
    for other in context.get("standing") or ():
        its = [one for one in other["takes"] if one["namespace"] == namespace]
        if not its or (turn and _over(other.get("stands"))):
            continue
        for one in its:
            found.append(
                Taken(
                    str(other["entry"]),
                    frozenset(one.get("uids") or ()),
                    parse(one["selector"]) if one.get("selector") else None,
                    int(one.get("some") or 0),
                    bool(one.get("again")),
                    bool(one.get("dies")),
                    parse(one["of"]) if one.get("of") else None,
                    int(one.get("wanted") or 0),
                )
            )
    return found


def _over(stands: Mapping[str, Json] | None) -> bool:
    """Whether nothing of a fault stands any more, by its own word. Where nobody can tell, it stands."""
    if stands is None:
        return False
    try:
        return not function(str(stands["name"]))(**stands["args"])["holds"]
    except (RuntimeError, ValueError, GamedayError):
        return False


# --- what is there ---------------------------------------------------------------------------------------------------


@frozen
class Space:
    """The pods of a namespace, and what other faults of the exercise take of them."""

    namespace: str
    pods: tuple[Pod, ...]
    taken: tuple[Taken, ...] = ()
    turn: int = 0

    @property
    def counts(self) -> int:
        """The pods of which shares of the namespace are reckoned: those that run, and are not on their way out."""
        return sum(pod.counts for pod in self.pods)

    def by(self, pod: Pod) -> str:
        """The fault that is known to take this pod, or ""."""
        return next((one.entry for one in self.taken if one.has(pod)), "")

    def killer(self, pod: Pod) -> str:
        """The fault that is about to take this pod away, or ""."""
        return next((one.entry for one in self.taken if one.dies and one.has(pod)), "")

    def why(self, pod: Pod) -> str:
        """Why a pod counts as out already, or ""."""
        if by := self.by(pod):
            return f"{_TAKEN}{by} of this exercise"
        if pod.ready and not pod.leaving:
            return ""
        under = self.under(pod)
        return (
            f"{'being deleted' if pod.leaving else 'not ready'}{f', under {under} of this exercise' if under else ''}"
        )

    def under(self, pod: Pod) -> str:
        """The fault by which a pod of this workload is missing, or it may be; or ""."""
        return next((one.entry for one in self.taken if one.may_have(pod) or one.among(pod)), "")


def look(api: Api, namespace: str, context: Mapping[str, Json], turn: int = 0) -> Space:
    """A namespace as it is now; `turn` as in `choose`."""
    return Space(namespace, tuple(list_pods(api, namespace)), tuple(_taken(context, namespace, turn)), turn)


def survey(
    api: Api, asked: Service, context: Mapping[str, Json], turn: int = 0
) -> tuple[list[Pod], Workload | None, Space]:
    """As `pods_of`, and the whole namespace: with one request, however many pods there are.

    Pods of others that the selector of a workload finds too (one beside it, for a release in stages) are none of its.
    """
    space = look(api, asked.namespace, context, turn)
    pods, runs = pods_of(api, asked, space.pods)
    if runs is not None and not asked.selector:
        pods = [pod for pod in pods if owns(runs, pod)]
    return pods, runs, space


def whole_of(space: Space, pods: Sequence[Pod], runs: Workload | None) -> list[Pod]:
    """All pods of what runs a service, of which its share is; those of the service where nobody knows what does."""
    if runs is None:
        return list(pods)
    return [pod for pod in space.pods if owns(runs, pod)]


# --- the reckoning ---------------------------------------------------------------------------------------------------


@frozen
class _Part:
    """Some pods of which a share is reckoned."""

    wanted: int
    """So many there should be."""
    up: frozenset[str]
    """Those that serve somebody, by uid."""
    more: int
    """So many of those that are up another fault may be taking, whichever."""
    reasons: tuple[str, ...]
    """Why the others don't, each with the pods."""
    by_us: bool
    """Another fault of the exercise is among the reasons."""

    def with_(self, number: int, among: Iterable[Pod]) -> int:
        """How many are out at worst once a fault takes `number` of `among`: it may well be those that are up."""
        fresh = min(number, sum(pod.uid in self.up for pod in among))
        down = max(0, self.wanted - len(self.up))
        return max(number, min(self.wanted, down + self.more + fresh))


def _part(pods: Sequence[Pod], wanted: int | None, spaces: Sequence[Space], *, lasting: bool) -> _Part:
    """`wanted`: None where only the pods tell; `lasting`: see `check_limits`."""
    space = {one.namespace: one for one in spaces}
    why = [(pod, space[pod.namespace].why(pod)) for pod in pods]
    up = frozenset(pod.uid for pod, reason in why if not reason)
    more, reasons = 0, _grouped([(pod.name, reason) for pod, reason in why if reason])
    some = [(home, taken) for home in spaces for taken in home.taken if taken.some]
    for home, taken in some:
        its = [pod for pod in pods if pod.namespace == home.namespace and taken.may_have(pod)]
        # What is down of them is its doing, most likely; of two that repeat neither can rely on that.
        down = 0 if home.turn else _slots(pod for pod in its if not home.by(pod))
        down += sum(home.by(pod) == taken.entry for pod in its)
        at_most = len(its) if taken.again and lasting else min(taken.some, len(its))
        if at_most > down:
            more += at_most - down
            reasons.append(f"{at_most - down} that {taken.entry} of this exercise may take")
    takers = [f"{one.entry} of this exercise" for home in spaces for one in home.taken if any(map(one.among, pods))]
    missing = 0 if wanted is None else wanted - sum(pod.ready and not pod.leaving for pod in pods) - _slots(pods)
    if missing > 0:
        reasons.append(f"{missing} missing{f', under {takers[0]}' if takers else ''}")
    by_us = more > 0 or bool(takers) or any(space[pod.namespace].under(pod) for pod, reason in why if reason)
    there = sum(pod.ready and not pod.leaving for pod in pods)
    return _Part(there + _slots(pods) if wanted is None else wanted, up, min(more, len(up)), tuple(reasons), by_us)


def _slots(pods: Iterable[Pod]) -> int:
    """In how many places a pod is missing. One that is being deleted and the one that takes its place are one."""
    leaving: dict[tuple[str, str], int] = {}
    waiting: dict[tuple[str, str], int] = {}
    for pod in pods:
        if pod.leaving or not pod.ready:
            which, whose = (leaving if pod.leaving else waiting), _whose(pod)
            which[whose] = which.get(whose, 0) + 1
    # A StatefulSet makes the new one when the old one is gone.
    return sum(
        max(leaving.get(whose, 0), waiting.get(whose, 0))
        if whose[0] == "ReplicaSet"
        else leaving.get(whose, 0) + waiting.get(whose, 0)
        for whose in {**leaving, **waiting}
    )


def _namespace(space: Space, whole: Sequence[Pod], wanted: int, spaces: Sequence[Space]) -> _Part:
    """All pods of a namespace; `whole` and `wanted`: those of a workload of which it is known how many there should be,
    so that more of them, in a rollout that is stuck say, are none that are missing. 0 where that is not known."""
    part = _part(space.pods, None, spaces, lasting=False)
    mine = {pod.uid for pod in whole} if wanted else set()
    others = [pod for pod in space.pods if pod.uid not in mine]
    lost, gone = _lost(space, whole if wanted else ())
    its = max(wanted, sum(pod.ready and not pod.leaving for pod in whole)) if wanted else 0
    total = its + sum(pod.ready and not pod.leaving for pod in others) + _slots(others) + lost
    return replace(part, wanted=total, reasons=(*gone, *part.reasons), by_us=part.by_us or bool(gone))


def _lost(space: Space, but: Sequence[Pod]) -> tuple[int, list[str]]:
    """How many pods other faults of the exercise have taken away that are not even on their way back; in words too.
    `but`: a workload that is reckoned otherwise."""
    total = 0
    words: list[str] = []
    seen: list[Mapping[str, Json]] = []
    for one in space.taken:
        if one.of is None or one.of in seen or any(map(one.among, but)):
            continue
        seen.append(one.of)
        its = [pod for pod in space.pods if one.among(pod)]
        lost = one.wanted - sum(pod.ready and not pod.leaving for pod in its) - _slots(its)
        if lost > 0:
            total += lost
            words.append(f"{lost} that {one.entry} of this exercise has taken")
    return total, words


def _whose(pod: Pod) -> tuple[str, str]:
    """What has it made anew, a Deployment by what the ReplicaSets of it are called."""
    kind, _, name = pod.owner.partition(" ")
    return kind, name.removesuffix(f"-{pod.labels.get('pod-template-hash', '')}")


def _grouped(why: Iterable[tuple[str, str]]) -> list[str]:
    """`web-1, web-2: not ready`; `2 taken by …`, since ahead of a run others may be drawn."""
    names: dict[str, list[str]] = {}
    for name, reason in why:
        names.setdefault(reason, []).append(name)
    return [
        f"{len(its)} {reason}"
        if reason.startswith(_TAKEN)
        else f"{', '.join(its[:_NAMED])}{f' and {len(its) - _NAMED} more' if len(its) > _NAMED else ''}: {reason}"
        for reason, its in names.items()
    ]


def check_limits(
    where: str,
    number: int,
    among: Sequence[Pod],
    whole: Sequence[Pod],
    wanted: int,
    spaces: Sequence[Space],
    context: Mapping[str, Json],
    target: Mapping[str, Json],
    *,
    lasting: bool = False,
) -> int:
    """How many of the workload's pods are out at worst once a fault takes `number` out of `among`.

    `whole`: all pods of the workload, `wanted`: how many it should have, 0 where nobody says; `spaces`: those that they
    are in; `lasting`: the pods stay ready, so that what strikes again and again does not see that they are taken.

    Raises:
        ValueError: that is more than the scenario's limits, or the target's, allow; with what is out already.
    """
    pods, percent, most = context.get("pods"), context.get("percent"), target["settings"]["namespace_percent"]
    turn = any(one.turn for one in spaces)
    part = _part(whole, wanted or None, spaces, lasting=lasting)
    worst = part.with_(number, among)
    if pods is not None and worst > pods:
        known = number if number > pods else worst
        also, then = _already(part, known - number, "limits.pods", turn)
        raise ValueError(f"{where}: it would touch {known} pods{also}, and limits.pods allows {pods}{then}")
    if percent is not None:
        for known in (number, worst):
            share = 100 * known / part.wanted if part.wanted else 100.0
            if share > percent:
                also, then = _already(part, known - number, "limits.percent", turn)
                raise ValueError(
                    f"{where}: it would touch {known} of {part.wanted} pods, {share:.0f} %{also}, "
                    f"and limits.percent allows {percent:g} %{then}"
                )
    for space in spaces:
        its = [pod for pod in among if pod.namespace == space.namespace]
        least = wanted if len(spaces) == 1 else 0
        mine = min(number, len(its)) if len(spaces) > 1 else number
        part = _namespace(space, whole, least, spaces)
        # Where too much is asked for as it is, it is of no use to wait; but for faults of the exercise's own.
        alone = part.wanted if part.by_us else max(space.counts, least)
        for known, of in ((mine, alone), (part.with_(mine, its), part.wanted)):
            share = 100 * known / of if of else 0.0
            if share > most:
                also, then = _already(part, known - mine, f"namespace_percent under [targets.{target['name']}]", turn)
                raise ValueError(
                    f"{where}: it would touch {known} of {of} pods of the namespace, {share:.0f} %{also}, "
                    f"and the target allows {most:g} % (namespace_percent){then}"
                )
    return worst


def _already(part: _Part, down: int, limit: str, turn: bool) -> tuple[str, str]:
    """What is out already, and how to go on. A turn that passes is told shortly: there will be another."""
    if down <= 0:
        return "", ""
    if turn:
        return f", {down} that are not ready now among them", ""
    why = "; ".join(part.reasons)
    later = "have it begin later (`at:`)" if part.by_us else "wait"
    return f", {down} that {'is' if down == 1 else 'are'} out already among them ({why})", (
        f": {later}, when {'that is' if down == 1 else 'those are'} back, or raise {limit}"
    )


# --- which pods ------------------------------------------------------------------------------------------------------


@frozen
class Choice:
    """Pods that a fault would touch, among how many, and what is worth knowing of the rest."""

    pods: tuple[Pod, ...]
    total: int
    in_namespace: int
    """See `Space.counts`."""
    left_out: tuple[str, ...] = ()
    """Protected pods, each with the reason."""
    among: tuple[str, ...] = ()
    """What these were drawn from; empty where there was no choice."""
    out: int = 0
    """How many pods of the workload are out at worst, these included."""
    whole: tuple[Pod, ...] = ()
    """All pods of the workload."""
    spaces: tuple[Space, ...] = ()

    def words(self) -> str:
        """E.g. `1 of 3 pods (33 %), of 12 in the namespace`."""
        share = 100 * len(self.pods) / self.total if self.total else 0.0
        everywhere = max(self.in_namespace, self.total)
        also = f"; {self.out} with those that are out already" if self.out > len(self.pods) else ""
        return f"{len(self.pods)} of {self.total} pods ({share:.0f} %), of {everywhere} in the namespace{also}"


def choose(
    where: str,
    pods: Sequence[Pod],
    *,
    count: int | None,
    percent: float | None,
    everything: bool,
    context: Mapping[str, Json],
    target: Mapping[str, Json],
    space: Space,
    whole: Sequence[Pod],
    wanted: int,
    kept: Callable[[Pod], str] = lambda pod: "",
    lasting: bool = False,
) -> Choice:
    """Pods by the context's seed, within its limits and those of the target.

    `whole`, `wanted`, `lasting`: see `check_limits`; `kept` says why else one may not be touched, or "".

    Raises:
        ValueError: there aren't as many that may be touched, or the limits don't allow as many; with the numbers.
    """
    opt_in, turn = target["settings"].get("opt_in"), space.turn
    left_out, free = [], []
    for pod in pods:
        why = "it is being deleted" if pod.leaving else protection(pod.labels, opt_in, pod.name) or kept(pod)
        why = why or (f"{killer} of this exercise takes it away" if (killer := space.killer(pod)) else "")
        if why:
            left_out.append(f"{pod.name}: {why}")
        elif pod.running:
            free.append(pod)
        else:
            left_out.append(f"{pod.name}: it does not run")
    # Not of all that are there: those of a rollout that is stuck, or that are going, serve nobody.
    total = wanted or sum(pod.counts for pod in whole)
    number = len(free) if everything else _number(where, count, percent, total)
    if not free or number > len(free):
        reasons = f" ({'; '.join(left_out[:5])})" if left_out else ""
        asked_for = f"{number} pods" if number > 1 else "1 pod"
        raise ValueError(f"{where}: {asked_for} asked for, {len(free)} of {len(pods)} may be touched{reasons}")
    out = check_limits(where, number, free, whole, wanted, [space], context, target, lasting=lasting)
    draw = random.Random(f"{context['seed']}/{context['fault']}{f'/{turn}' if turn else ''}")
    chosen = sorted(draw.sample(free, number), key=lambda pod: pod.name)
    among = tuple(pod.shown for pod in free) if number < len(free) else ()
    return Choice(tuple(chosen), total, space.counts, tuple(left_out), among, out, tuple(whole), (space,))


def _number(where: str, count: int | None, percent: float | None, existing: int) -> int:
    if percent is None:
        return count or 1
    number = int(existing * percent / 100)
    if number < 1:
        raise ValueError(f"{where}: {percent:g} % of {existing} pods is less than one")
    return number
