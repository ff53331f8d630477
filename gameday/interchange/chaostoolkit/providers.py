"""Providers, secrets and configuration of an experiment, as the activities and the configuration of a scenario.

A secret is carried over as the place where it is, never as itself: a scenario is journaled whole, and read by many.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gameday.faults.secrets import PLAIN
from gameday.interchange.chaostoolkit.shape import PROVIDERS
from gameday.interchange.losses import Losses, Way
from gameday.scenario.duration import LONGEST, format_duration

Json = Any

_KEYS = {
    "python": ("module", "func", "arguments"),
    "http": ("url", "method", "headers", "arguments", "verify_tls", "max_retries"),
    "process": ("path", "arguments"),
}
_OURS = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_-]*\}")
"""What a scenario would take for a name of its target."""
_THEIRS = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


def escaped(value: Json) -> Json:
    """`value` with Chaos Toolkit's `${name}` written so that a scenario leaves it alone."""
    if isinstance(value, str):
        return _OURS.sub(lambda found: f"${found[0]}", value)
    if isinstance(value, Mapping):
        return {key: escaped(inner) for key, inner in value.items()}
    return [escaped(inner) for inner in value] if isinstance(value, list) else value


def named(value: Json) -> set[str]:
    """The names that stand as `${name}` or `$name` anywhere in `value`."""
    return {braced or bare for braced, bare in _THEIRS.findall(json.dumps(value))}


def duration(seconds: float) -> str:
    """A time as a scenario says it, at least a thousandth of a second."""
    return format_duration(max(seconds, 0.001))


class Carrier:
    """Carries providers over, with what of secrets and configuration they need."""

    def __init__(self, document: Mapping[str, Json], losses: Losses) -> None:
        self.losses = losses
        self.known: dict[str, Json] = document.get("configuration") or {}
        self._places: dict[str, dict[str, Json]] = {}
        """Where secrets are: group -> name -> place; those without a group under ``""``."""
        for group, value in (document.get("secrets") or {}).items():
            self._take_secrets(group, value)

    # --- configuration -----------------------------------------------------------------------------------------------

    def configuration(self) -> dict[str, Json]:
        """What a scenario's `configuration` says."""
        found = {}
        for name, value in self.known.items():
            way: Way = ("configuration", name)
            kind = value.get("type") if isinstance(value, Mapping) else None
            if kind == "probe":
                provider = self.activity(value["provider"], (*way, "provider"), "1m")
                found[name] = {"type": "probe", "name": str(value.get("name") or name), "provider": provider}
                self.losses.change(way, "a value that is asked of a probe: where that fails, nothing is started")
            elif kind == "env":
                keys = ("type", "key", "default", "env_var_type")
                found[name] = escaped({key: value[key] for key in keys if key in value})
                self._left_out(value, way, keys)
            else:
                found[name] = escaped(value)
        return found

    def constant(self, text: Json) -> Json:
        """`${name}` as the value that the configuration writes down for it; `text` itself where it does not."""
        found = _THEIRS.fullmatch(text) if isinstance(text, str) else None
        value = self.known.get(found[1] or found[2]) if found else None
        return text if value is None or isinstance(value, Mapping) else value

    # --- secrets -----------------------------------------------------------------------------------------------------

    def _take_secrets(self, group: str, value: Json) -> None:
        way: Way = ("secrets", group)
        if not isinstance(value, Mapping) or value.get("type") in ("env", "vault"):
            self._places.setdefault("", {})[group] = self._place(value, way, (group,))
            return
        for name, inner in value.items():
            self._places.setdefault(group, {})[name] = self._place(inner, (*way, name), (group, name))

    def _place(self, value: Json, way: Way, names: tuple[str, ...]) -> Json:
        if isinstance(value, Mapping) and value.get("type") == "env" and isinstance(value.get("key"), str):
            self._left_out(value, way, ("type", "key"))
            return {"env": value["key"] or "EMPTY"}
        if names[-1] in PLAIN and isinstance(value, str) and value:
            return escaped(value)
        variable = re.sub(r"[^A-Z0-9]+", "_", "_".join(names).upper()).strip("_") or "SECRET"
        variable = f"_{variable}" if variable[0].isdigit() else variable
        if isinstance(value, Mapping) and value.get("type") == "vault":
            why = "there is no reading from Vault"
        elif isinstance(value, Mapping | list):
            why = "this says of no secret where it is"
        else:
            why = "a secret that stands in the file is not copied"
        self.losses.lose(way, f"{why}: put it into the environment variable {variable}, where it is read when needed")
        return {"env": variable}

    def _secrets(self, provider: Mapping[str, Json], way: Way) -> dict[str, Json]:
        """The places of what a provider asks for, by group or by `${name}`."""
        asked = provider.get("secrets") or []
        groups = [asked] if isinstance(asked, str) else [str(name) for name in asked]
        found: dict[str, Json] = {}
        for group in groups:
            if group in self._places:
                found[group] = dict(self._places[group])
            elif group in self._places.get("", {}):
                found[group] = self._places[""][group]
            else:
                self.losses.change((*way, "secrets"), f"no secrets are called {group!r}; Chaos Toolkit gives it none")
        for name in sorted(named(provider) - self.known.keys()):
            for group, places in self._places.items():
                if name in places and group not in found:
                    found |= {group: dict(places)} if group else {name: places[name]}
        return {name: places for name, places in found.items() if places}

    # --- providers ---------------------------------------------------------------------------------------------------

    def activity(self, provider: Mapping[str, Json], way: Way, limit: str, *, outer: Json = None) -> dict[str, Json]:
        """A provider as a scenario's activity.

        `limit`: the time that a function or program gets where nothing is said; `outer`: the activity's own `timeout`.
        """
        kind = str(provider["type"])
        made: dict[str, Json] = {"type": kind}
        for key in _KEYS[kind]:
            if provider.get(key) not in (None, {}, []):
                made[key] = escaped(provider[key])
        secrets = self._secrets(provider, way)
        if secrets:
            made["secrets"] = secrets
        if kind == "process" and isinstance(provider.get("arguments"), dict | list):
            for name in sorted(named(provider["arguments"]) & set(self._names_in(secrets))):
                why = "a secret is not filled into a program's arguments, where everybody could read it: the program "
                self.losses.lose((*way, "arguments"), f"{why}finds it in its environment, as {name}")
        timeout = self._timeout(provider, way, kind, outer)
        if timeout is not None:
            made["timeout"] = timeout
        elif kind != "http":
            made["timeout"] = limit
        self._left_out(provider, way, (*PROVIDERS[kind], *_KEYS[kind], "type", "secrets", "timeout"))
        return made

    @staticmethod
    def _names_in(secrets: Mapping[str, Json]) -> Iterator[str]:
        for name, places in secrets.items():
            yield from places if isinstance(places, Mapping) and "env" not in places else (name,)

    def _timeout(self, provider: Mapping[str, Json], way: Way, kind: str, outer: Json) -> Json:
        timeout = self.constant(provider.get("timeout"))
        if timeout is None and outer is not None:
            timeout = outer
            self.losses.change((*way[:-1], "timeout"), "Chaos Toolkit does not look at this one; here it holds")
        elif timeout is not None and kind == "python":
            self.losses.change((*way, "timeout"), "Chaos Toolkit does not look at this one; here it holds")
        if timeout is None:
            return None
        pair = timeout if kind == "http" and isinstance(timeout, list) and len(timeout) == 2 else [timeout]
        if not all(isinstance(one, int | float) and type(one) is not bool and 0 < one < LONGEST / 2 for one in pair):
            self.losses.lose((*way, "timeout"), "this is no time in seconds that is known before it is run")
            return None
        written = [duration(one) for one in pair]
        return written if len(pair) == 2 else written[0]

    def _left_out(self, value: Mapping[str, Json], way: Way, known: tuple[str, ...]) -> None:
        for key in value:
            if key not in known:
                self.losses.lose((*way, key), "Chaos Toolkit does not look at it either")
