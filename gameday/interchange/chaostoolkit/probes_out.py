"""A scenario's checks and activities as Chaos Toolkit's probes and providers, with the secrets that they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gameday.interchange.chaostoolkit.tolerances import tolerance_of
from gameday.interchange.losses import Losses, Way
from gameday.scenario.duration import parse_duration
from gameday.scenario.keys import PROBES

Json = Any

OURS = "gameday.interchange.chaostoolkit.probing"
"""The module of what is asked by a function of ours."""
_ENVIRONMENT = "environment"
"""The group of secrets that stand in headers, where they have neither group nor name."""


class Outward:
    """Turns activities and checks around; gathers the secrets and the configuration that they need."""

    def __init__(self, losses: Losses, configuration: dict[str, Json], measures: Mapping[str, Json]) -> None:
        self.losses = losses
        self.configuration = configuration
        self.secrets: dict[str, dict[str, Json]] = {}
        self._measures = measures

    def provider(self, activity: Mapping[str, Json], way: Way) -> dict[str, Json]:
        """An activity as a provider."""
        kept = {
            key: value
            for key, value in activity.items()
            if key not in ("secrets", "configuration", "tolerance", "timeout") and value is not None
        }
        if isinstance(kept.get("headers"), Mapping):
            kept["headers"] = {
                name: self._header(value, (*way, "headers", name)) for name, value in kept["headers"].items()
            }
        groups = self._secret_groups(activity.get("secrets"), way, activity["type"])
        if groups:
            kept["secrets"] = groups
        if activity.get("timeout") is not None:
            kept["timeout"] = _seconds(activity["timeout"])
        for name, value in (activity.get("configuration") or {}).items():
            if self.configuration.setdefault(name, value) != value:
                self.losses.lose(
                    (*way, "configuration", name), "an experiment has one configuration, which says otherwise"
                )
        return kept

    def literal(self, group: str, values: Mapping[str, str]) -> str:
        """A group of secrets whose values stand in the experiment, since they are none; the name that it got."""
        free, number = group, 1
        while self.secrets.get(free, dict(values)) != dict(values):
            number += 1
            free = f"{group}-{number}"
        self.secrets[free] = dict(values)
        return free

    def probe(self, check: Mapping[str, Json], name: str, way: Way, *, judged: bool = True) -> dict[str, Json]:
        """A check as a probe, with its tolerance if it is `judged`."""
        made: dict[str, Json] = {"type": "probe", "name": name}
        expect = dict(check.get("expect") or {})
        try:
            tolerance, provider = self._native(check, expect, way)
        except LookupError as why:
            asked = {key: check[key] for key in (*PROBES, "expect") if check.get(key) is not None}
            if "measure" in asked:
                asked = {**self._measures[asked.pop("measure")], "expect": expect}
            arguments = {"check": {"name": name, **asked}}
            provider = {"type": "python", "module": OURS, "func": "holds", "arguments": arguments}
            tolerance = True
            said = str(why.args[0]) if why.args else "it"
            self.losses.change(way, f"{said}: a function of gameday asks it, which has to be installed beside `chaos`")
        if expect and judged:
            made["tolerance"] = tolerance
        return {**made, "provider": provider}

    def _native(self, check: Mapping[str, Json], expect: dict[str, Json], way: Way) -> tuple[Json, dict[str, Json]]:
        """Tolerance and provider in Chaos Toolkit's own words. Raises LookupError where it has none."""
        activity, http, process = (check.get(kind) for kind in ("activity", "http", "process"))
        if activity is not None:
            if activity.get("tolerance") is None:
                tolerance = tolerance_of(expect, activity["type"]) if expect else None
                return tolerance, self.provider(activity, (*way, "activity"))
            if expect not in ({}, {"equals": True}):
                raise LookupError("a tolerance that must not be met")
            return self._tolerance(activity["tolerance"], way), self.provider(activity, (*way, "activity"))
        if http is not None:
            return _http_tolerance(http, expect), self._http(http, way)
        if process is not None:
            if process.get("env"):
                raise LookupError("a program with an environment of its own")
            read = process.get("read", "exit")
            wanted = expect.get("equals")
            if expect and (read == "stdout" or expect.keys() != {"equals"} or type(wanted) is not int):
                wanted = tolerance_of(expect, "process" if read == "stdout" else "")
            command = process["command"]
            made = {"type": "process", "path": command[0], "timeout": _seconds(process.get("timeout", "10s"))}
            return wanted, {**made, **({"arguments": command[1:]} if command[1:] else {})}
        kind = next(kind for kind in PROBES if check.get(kind) is not None)
        raise LookupError(f"Chaos Toolkit has no probe of kind {kind}")

    def _tolerance(self, tolerance: Json, way: Way) -> Json:
        if not isinstance(tolerance, Mapping) or not isinstance(tolerance.get("provider"), Mapping):
            return tolerance
        return {**tolerance, "provider": dict(tolerance["provider"])}

    def _http(self, http: Mapping[str, Json], way: Way) -> dict[str, Json]:
        made: dict[str, Json] = {"type": "http", "url": http["url"], "timeout": _seconds(http.get("timeout", "5s"))}
        if http.get("method", "GET") != "GET":
            made["method"] = http["method"]
        if http.get("headers"):
            made["headers"] = {name: self._header(value, way) for name, value in http["headers"].items()}
        if http.get("body") is not None:
            made["arguments"] = http["body"]
        return made

    # --- secrets -----------------------------------------------------------------------------------------------------

    def _header(self, value: Json, way: Way) -> Json:
        if not isinstance(value, Mapping):
            return value
        variable = _variable(value)
        if variable is None:
            self.losses.lose(way, "Chaos Toolkit reads no secrets from files")
            return ""
        self.secrets.setdefault(_ENVIRONMENT, {})[variable] = {"type": "env", "key": variable}
        return f"${{{variable}}}"

    def _secret_groups(self, written: Json, way: Way, kind: str) -> list[str]:
        groups: dict[str, dict[str, Json]] = {}
        for name, value in (written or {}).items() if isinstance(written, Mapping) else ():
            if isinstance(value, str) or _variable(value) is not None or "file" in value:
                groups.setdefault(_ENVIRONMENT, {})[name] = value
            else:
                groups[name] = value
        found = []
        for group, places in groups.items():
            made: dict[str, Json] = {}
            for name, value in places.items():
                if isinstance(value, str):
                    # A context, which is none.
                    made[name] = value
                    continue
                variable = _variable(value)
                if variable is None:
                    self.losses.lose((*way, "secrets", name), "Chaos Toolkit reads no secrets from files")
                    continue
                made[name] = {"type": "env", "key": variable}
                if kind == "process" and variable != name:
                    self.losses.change(
                        (*way, "secrets", name), f"the program finds it in its environment as {variable}"
                    )
            free, number = group, 1
            while any(self.secrets.get(free, {}).get(name, value) != value for name, value in made.items()):
                number += 1
                free = f"{group}-{number}"
            if made:
                self.secrets.setdefault(free, {}).update(made)
                found.append(free)
        return found


def _variable(value: Json) -> str | None:
    """The environment variable that a secret is in."""
    if not isinstance(value, Mapping):
        return None
    found = value.get("key") if value.get("type") == "env" else value.get("env")
    return found if isinstance(found, str) else None


def _http_tolerance(http: Mapping[str, Json], expect: Mapping[str, Json]) -> Json:
    read = http.get("read", "json" if http.get("path") is not None else "status")
    if not expect:
        return None
    if http.get("body") is not None and http.get("method", "GET") == "GET":
        raise LookupError("a GET request with a body")
    if read == "status":
        wanted = expect.get("status", expect.get("equals"))
        codes = wanted if isinstance(wanted, list) else [wanted]
        if len(expect) != 1 or not all(type(code) is int for code in codes) or any(300 <= code < 400 for code in codes):
            raise LookupError("a status that is no single code, or a redirect, which Chaos Toolkit follows")
        return wanted
    if read == "body":
        return tolerance_of(expect, "http")
    wanted = expect.get("equals")
    if read == "json" and expect.keys() == {"equals"} and not isinstance(wanted, list | dict | None):
        return {"type": "jsonpath", "path": http.get("path") or "$", "expect": [wanted], "target": "body"}
    raise LookupError(f"{' and '.join(expect)} of what is read as {read}")


def _seconds(timeout: Json) -> Json:
    if isinstance(timeout, list):
        return [_seconds(each) for each in timeout]
    found = parse_duration(timeout) if isinstance(timeout, str) else float(timeout)
    return int(found) if found.is_integer() else found
