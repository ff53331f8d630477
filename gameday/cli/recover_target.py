"""`gameday recover --target`: what gameday left on a target, found on the target itself, with the journals lost or not.

Clusters are searched by gameday's labels, a Toxiproxy by the names of its toxics. Journals in the store that know of
faults there come first, by the ordinary way, so that they hear of it. Nothing is taken away under a living exercise.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gameday.errors import Exit, RefusedError, TargetError, UsageError

if TYPE_CHECKING:
    from gameday.cluster.api import Api, Where
    from gameday.cluster.lease import Claim
    from gameday.cluster.litter import Litter
    from gameday.engine.ports import Json, TargetInfo
    from gameday.targets.settings import Settings

LONGEST_WAIT = 40.0
"""Seconds that all waiting for what is being deleted may take together; less than our claim lasts."""
FRESH = 300.0
"""Seconds for which a claim that has run out may be that of a living exercise whose clock is behind."""


class CantLook(TargetError):
    """Whether faults stand on the target, nobody can say."""

    exit_code = Exit.NOT_RECOVERED


def recover_target(name: str, config: Path | None, store: str) -> int:
    """Take away what gameday left on the target `name`; returns the exit code.

    Raises:
        UsageError: there is no such target, or nothing of gameday's could be told from anything else there.
        RefusedError: an exercise is alive there; nothing was touched.
        CantLook: the target can't be asked. What journals know of there was undone all the same, or reported.
    """
    from gameday.cli.recover_journals import of_other_names, of_target, still_open
    from gameday.targets.resolving import check_target
    from gameday.targets.settings import load_settings

    settings = load_settings(explicit=config)
    target = _searchable(check_target(name, settings), settings)
    codes = [_absorb(store)]
    dead = of_target(name, store)
    blind: list[str] = []
    undone: set[tuple[str, str]] = set()
    had: set[str] = set()
    way = target.settings.get("cluster")
    unasked: CantLook | None = None
    if target.kind == "kubernetes":
        try:
            target = _there(target, blind)
            dead |= of_other_names(target, store)
            had = _refuse_a_claim(target, dead)
        except CantLook as error:
            # Their engines are dead, and what they know of needs no search.
            unasked = error
    else:
        _refuse_an_engine(target, store)
    codes += [_by_journal(ident, store, config, way) for ident, standing in dead.items() if standing]
    if unasked is not None:
        raise unasked
    try:
        if target.kind == "kubernetes":
            codes.append(_cluster(target, list(dead), blind, undone, had))
            for text, command in still_open(dead, store, undone):
                _loud(text, (command,))
        if target.settings.get("proxy"):
            codes.append(_toxics(str(target.settings["proxy"]).rstrip("/")))
    except RefusedError as error:
        if Exit.NOT_RECOVERED not in codes:
            raise
        click.echo(f"gameday: {error}", err=True)
    return Exit.NOT_RECOVERED if Exit.NOT_RECOVERED in codes else max(codes)


def _searchable(target: TargetInfo, settings: Settings) -> TargetInfo:
    if target.kind in ("kubernetes", "toxiproxy"):
        return target
    if target.kind == "sandbox":
        raise UsageError(
            "the sandbox is not searched: `gameday sandbox down` takes it away with everything in it, and `gameday "
            "recover` undoes what journals know of"
        )
    raise UsageError(
        f"target {target.name} is of kind {target.kind}: what gameday did there is known to journals alone. `gameday "
        "recover` undoes what those of this store know of"
    )


def _absorb(store: str) -> Exit:
    """What could not be written into the journals at its time belongs there before they are read."""
    from gameday.cli.recover import absorb
    from gameday.store.errors import StoreMissing, StoreUnavailable
    from gameday.store.readable import readable

    try:
        with readable(store) as opened:
            return absorb(opened)
    except StoreMissing:
        return Exit.OK
    except StoreUnavailable as error:
        # The target knows by itself what stands there; the claims on it say who may be alive.
        click.echo(f"gameday: {error}; the target itself is searched", err=True)
        return Exit.NOT_RECOVERED


# --- who is there --------------------------------------------------------------------------------------------------


def _there(target: TargetInfo, blind: list[str]) -> TargetInfo:
    """The target with those of its namespaces alone that are there, and that we may look into.

    What can't be said of the others goes into `blind`.

    Raises:
        CantLook: it can't be asked, or lets us look into none.
    """
    from gameday.cluster.api import Api, words
    from gameday.cluster.errors import Refused, Unreachable
    from gameday.cluster.lease import NAME, absent
    from gameday.cluster.resources import LEASES

    where, named = target.settings["cluster"], target.settings["namespaces"]
    there: list[str] = []
    forbidden: Refused | None = None
    try:
        api = Api(where)
        gone = absent(api, named)
        for namespace in named:
            try:
                if namespace not in gone:
                    api.get(LEASES, namespace, NAME)
                    there.append(namespace)
            except Refused as refused:
                if refused.status != 403:
                    raise
                # What gave us the right may have gone with the namespace: the others are not to wait for that.
                forbidden = refused
                blind.append(f"namespace {namespace} is not there any more, or this account has no rights in it")
    except (Refused, Unreachable) as error:
        raise _cant_ask(target, error) from None
    if not there and forbidden is not None:
        raise _cant_ask(target, forbidden)
    for namespace in gone:
        click.echo(f"there is no namespace {namespace}: what was in it is gone with it", err=True)
    if not there:
        blind.append(
            f"none of the namespaces of {target.name} is there: they were deleted, with all in them, or "
            f"{words(where)} leads to another cluster, {api.server}"
        )
    return replace(target, settings={**target.settings, "namespaces": there})


def _cant_ask(target: TargetInfo, error: Exception) -> CantLook:
    from gameday.cluster.api import words

    return CantLook(
        f"target {target.name} ({words(target.settings['cluster'])}): whether an exercise is alive there can't be "
        f"asked, so it was not searched: {error}"
    )


def _refuse_a_claim(target: TargetInfo, dead: dict[str, bool]) -> set[str]:
    """The labels of the exercises that have claims there, all of them dead."""
    from gameday.cluster.errors import Refused, Unreachable
    from gameday.cluster.lease import claims
    from gameday.cluster.marks import label_value

    try:
        standing = claims(target.settings["cluster"], target.settings["namespaces"])
    except (Refused, Unreachable) as error:
        raise _cant_ask(target, error) from None
    for claim in standing:
        if claim.holds and not claim.untellable and claim.identity not in dead:
            raise RefusedError(
                f"{claim.shown}, and may be alive: nothing was touched. Stop it where it runs (`gameday abort`), or "
                f"wait until its claim has run out; if that exercise is certainly dead: {claim.release}"
            )
    return {label_value(claim.identity) for claim in standing}


def _refuse_an_engine(target: TargetInfo, store: str) -> None:
    from gameday.cli.staging import in_use

    if reason := in_use(target, store, despite_faults=True):
        raise RefusedError(reason)


def _by_journal(ident: str, store: str, config: Path | None, way: Where | None) -> Exit:
    from gameday.cli.recover import recover_or_say

    return recover_or_say(ident, store, config, way)


# --- clusters ------------------------------------------------------------------------------------------------------


@dataclass
class _Found:
    """What became of what was found, so far."""

    us: str
    """Whose the claim is, as long as this goes on."""
    namespaces: Sequence[str]
    """Those that are claimed."""
    undone: set[tuple[str, str]]
    """The labels of exercise and fault of what was taken away."""
    had: set[str]
    """The labels of exercises that had a claim there to their end."""
    left: list[str] = field(default_factory=list)
    until: float = field(default_factory=lambda: time.monotonic() + LONGEST_WAIT)
    renewed: float = field(default_factory=time.monotonic)
    lost: str = ""
    """Why the claim is ours no more: from then on faults may be those of a living exercise."""

    def may_go_on(self, api: Api) -> bool:
        """Renew the claim: what is taken away may take longer than it lasts."""
        from gameday.cluster import lease
        from gameday.cluster.errors import Refused, Unreachable
        from gameday.cluster.holders import LASTS

        if self.lost:
            return False
        try:
            lease.renew(api, self.namespaces, self.us)
            self.renewed = time.monotonic()
        except lease.Held as held:
            self.lost = str(held)
        except (Refused, Unreachable) as error:
            if time.monotonic() - self.renewed > LASTS / 2:
                self.lost = f"the claim of this recovery can't be renewed: {error}"
        return not self.lost


def _cluster(
    target: TargetInfo, dead: Sequence[str], blind: list[str], undone: set[tuple[str, str]], had: set[str]
) -> Exit:
    from gameday.cluster import lease
    from gameday.cluster.errors import Refused, Unreachable
    from gameday.cluster.holders import LASTS

    where, namespaces = target.settings["cluster"], target.settings["namespaces"]
    us = f"recovery-{socket.gethostname()}-{os.getpid()}"
    try:
        for ident in dead:
            lease.release(where, namespaces, ident)
        # So no exercise begins meanwhile, and one that only seems to be dead is not disturbed.
        claimed = lease.acquire(where, namespaces, us, lambda text: click.echo(text, err=True), clearing=True)
    except (Refused, Unreachable) as error:
        raise CantLook(f"target {target.name}: {error}") from None
    try:
        return _clear(target, _Found(us, claimed, undone, had), dead, blind)
    finally:
        try:
            lease.release(where, namespaces, us)
        except (Refused, Unreachable) as error:
            click.echo(f"the claim of this recovery stays until it has run out, {LASTS} s: {error}", err=True)


def _clear(target: TargetInfo, state: _Found, dead: Sequence[str], blind: list[str]) -> Exit:
    from gameday.cluster import litter
    from gameday.cluster.api import Api
    from gameday.cluster.errors import Unreachable

    api, namespaces = Api(target.settings["cluster"]), target.settings["namespaces"]
    try:
        found, hidden = litter.find(api, namespaces)
    except Unreachable as error:
        raise CantLook(f"target {target.name}: {error}") from None
    blind += hidden
    for one in _not_of_others(api, found, state, {state.us, *dead}):
        _take_away(api, one, state)
    try:
        again = litter.find(api, namespaces)[0] if found and state.may_go_on(api) else []
        # What is there still although it was taken away is tried once more, and said.
        more = [one for one in again if one.shown not in state.left]
        for one in _not_of_others(api, more, state, {state.us, *dead}):
            _take_away(api, one, state)
        _clear_histories(api, namespaces, state)
    except Unreachable as error:
        blind.append(f"a second look was not possible: {error}")
    if state.lost:
        blind.append(f"{state.lost}: stopped there")
    for line in _in_short(blind):
        _loud(f"CAN'T SAY: {line}: whether faults of gameday's stand there is not known", ())
    if not found and not state.left:
        but = ", as far as that could be looked at" if blind else ""
        where = f"is in {', '.join(namespaces)}" if namespaces else "is there"
        click.echo(f"nothing of gameday's {where}{but}")
    return Exit.NOT_RECOVERED if state.left or blind else Exit.OK


def _clear_histories(api: Api, namespaces: Sequence[str], state: _Found) -> None:
    """What undone faults left in rollout histories; what is still in use for as long as may be waited for."""
    from gameday.cluster import litter

    while state.may_go_on(api):
        waiting = []
        for shown, verdict in litter.forgotten(api, namespaces):
            if commands := verdict.get("commands"):
                if shown not in state.left:
                    click.echo(f"{shown}  leaked  {verdict['evidence']}")
                    why = f"{verdict['evidence']}. Whether anybody wants it so, a person has to say:"
                    _loud(f"NOT RECOVERED: {shown}: {why}", commands)
                    state.left.append(shown)
            elif verdict["holds"]:
                click.echo(f"{shown}  {verdict['evidence']}")
            else:
                waiting.append(f"{shown}: {verdict['evidence']}")
        if not waiting or time.monotonic() >= state.until:
            for line in waiting:
                click.echo(line, err=True)
            return
        time.sleep(0.5)


def _not_of_others(api: Api, found: Sequence[Litter], state: _Found, ours: set[str]) -> Iterator[Litter]:
    """All but nodes of exercises that hold other namespaces and may be alive: no claim of ours keeps those away."""
    from gameday.cluster import litter
    from gameday.cluster.marks import label_value

    known = {label_value(one) for one in ours}
    asked = [one for one in found if not one.resource.namespaced and one.exercise not in known]
    others, why = _elsewhere(api) if asked else ({}, "")
    for one in found:
        if one not in asked:
            yield one
        elif why:
            _leave(one, f"whether that exercise is alive can't be told: {why}", state, litter.by_hand(api, one))
        elif one.exercise in others:
            claim = others[one.exercise]
            why = f"{claim.shown}, and may be alive: it was left alone; if that exercise is certainly dead"
            _leave(one, f"{why}, give its claim back and recover once more", state, (claim.release,))
        else:
            yield one


def _elsewhere(api: Api) -> tuple[dict[str, Claim], str]:
    """Who may be alive by the claims of the whole cluster, each with its claim; or why that can't be told."""
    from gameday.cluster.errors import Refused, Unreachable
    from gameday.cluster.lease import everywhere
    from gameday.cluster.marks import label_value

    try:
        there = everywhere(api)
        return {label_value(claim.identity): claim for claim in there if claim.left > -FRESH and not claim.dead}, ""
    except (Refused, Unreachable) as error:
        return {}, str(error)


def _in_short(blind: Sequence[str]) -> Iterator[str]:
    """What could not be looked at; what is merely forbidden in one line."""
    forbidden = [line.partition(": ")[0] for line in blind if ": 403 " in line]
    if forbidden:
        yield f"this account may not list {', '.join(forbidden)} (ask with one that may)"
    yield from (line for line in blind if ": 403 " not in line)


def _take_away(api: Api, one: Litter, state: _Found) -> None:
    from gameday.cluster import litter, returned
    from gameday.cluster.marks import label_value

    whose = f"exercise {one.exercise or '?'}, {one.entry or '?'}"
    verdict: dict[str, Json] = {"holds": False, "evidence": "it was left alone"}
    try:
        if state.may_go_on(api):
            one = litter.meant(api, one)
        while state.may_go_on(api):
            verdict = litter.clear(api, one)
            if verdict["holds"] or time.monotonic() >= state.until:
                break
            time.sleep(0.5)
    except returned.Untold as error:
        alive = label_value(one.exercise) in state.had
        more = "; that exercise had the claim here to its end, which speaks for its fault" if alive else ""
        verdict = {"holds": False, "evidence": f"{error}{more}"}
    except RuntimeError as error:
        verdict = {"holds": False, "evidence": str(error)}
    if verdict["holds"]:
        state.undone.add((label_value(one.exercise), label_value(one.entry)))
        click.echo(f"{one.shown}  recovered  {_after(one.shown, str(verdict['evidence']))} ({whose})")
        return
    _leave(one, str(verdict["evidence"]), state, litter.by_hand(api, one))


def _leave(one: Litter, why: str, state: _Found, commands: Sequence[str]) -> None:
    whose, why = f"exercise {one.exercise or '?'}, {one.entry or '?'}", _after(one.shown, why)
    click.echo(f"{one.shown}  leaked  {why} ({whose})")
    state.left.append(one.shown)
    _loud(f"NOT RECOVERED: {one.shown} ({whose}): {why}", commands)


def _after(shown: str, text: str) -> str:
    """`text` as it stands behind the name of what it is about, which it mostly begins with."""
    rest = text.removeprefix(shown)
    return text if rest == text or rest[:1] not in (":", " ") else rest.lstrip(": ")


# --- Toxiproxy -----------------------------------------------------------------------------------------------------


def _toxics(api: str) -> Exit:
    """Toxics of gameday's names are taken off. That a proxy is disabled says not by whom: it is said, and left."""
    from gameday.faults.toxiproxy import curl, proxy_url, remove_toxic, toxic_url
    from gameday.faults.wire import Unanswered

    try:
        standing = list(our_toxics(api))
        for proxy, toxic in standing:
            remove_toxic(api, proxy, toxic, None)
        left = set(our_toxics(api))
        disabled = [name for name, state in _proxies(api).items() if not state.get("enabled", True)]
    except (Unanswered, RuntimeError) as error:
        raise CantLook(f"the proxy at {api} can't be asked, or not told: {error}") from None
    for proxy, toxic in standing:
        gone = (proxy, toxic) not in left
        click.echo(
            f"proxy {proxy}  {'recovered' if gone else 'leaked'}  toxic {toxic} is {'gone' if gone else 'there'}"
        )
    for proxy, toxic in left:
        _loud(f"NOT RECOVERED: toxic {toxic} is on proxy {proxy}", (curl("DELETE", toxic_url(api, proxy, toxic)),))
    for proxy in disabled:
        enable = curl("POST", proxy_url(api, proxy), {"enabled": True})
        _loud(f"CAN'T SAY: proxy {proxy} is disabled, and nothing tells by whom; to enable it:", (enable,))
    if not standing and not disabled:
        click.echo(f"nothing of gameday's is on the proxy at {api}")
    return Exit.NOT_RECOVERED if left or disabled else Exit.OK


def our_toxics(api: str) -> Iterator[tuple[str, str]]:
    """Proxy and name of each toxic that is gameday's. Raises Unanswered, RuntimeError."""
    for name, state in _proxies(api).items():
        for toxic in state.get("toxics") or ():
            if str(toxic["name"]).startswith("gameday-"):
                yield name, str(toxic["name"])


def _proxies(api: str) -> dict[str, dict[str, Json]]:
    from gameday.faults.wire import demand

    found = demand("GET", f"{api}/proxies").content
    if not isinstance(found, dict) or not all(isinstance(state, dict) for state in found.values()):
        raise RuntimeError(f"GET {api}/proxies answered something that is not Toxiproxy's")
    return found


def _loud(text: str, commands: Sequence[str]) -> None:
    """For people: on stderr, and with what to paste."""
    lines = [f"gameday: {text}", *(f"    {command}" for command in commands)]
    click.secho("\n".join(lines), err=True, fg="red" if sys.stderr.isatty() else None)
