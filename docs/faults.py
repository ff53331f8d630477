"""The catalogue of faults as Markdown, made of the declarations, and of the tests that prove them. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from gameday.engine.ports import Backend
from gameday.faults.catalogue import all_faults
from gameday.faults.declaration import FaultDeclaration
from gameday.faults.planning import ENGINES
from gameday.scenario.duration import format_duration
from tests.support.proofs import Proof, claimed, recorded

HEAD = """# Faults

Generated from the code by `make docs`: what each fault is, who can do it and how, and whether a test has shown that.

A scenario says what is to happen; the target does it in its own way. Where a cluster has several engines that can, the
first of the target's `engines` is taken: `gameday preview` says which, and `--engine FAULT=ENGINE` says otherwise. The
rights are all that a fault may need; `gameday manifests` prints those that a scenario does need.

What "proved" means:

| | |
|---|---|
| **real** | a test took it through its whole life on a real API server, and looked at the effect itself |
| **local** | the same with real processes and connections on one machine: the sandbox, or a program of the test |
| **double** | the same on a test server that answers as the real one does; on the real thing nobody has shown it |
| not proved | no test does that |

"""
_ENGINES = {**{name: text.partition(" (")[0] for name, text in ENGINES.items()}, "api": "plain API"}
_KINDS = {"sandbox": "Sandbox", "toxiproxy": "Toxiproxy", "kubernetes": "Kubernetes", "other": "Other"}


def page(claims: Sequence[Proof] | None = None, records: dict[str, dict[str, str]] | None = None) -> str:
    """The whole page. `claims` and `records`: see `tests.support.proofs`; those of this tree unless given."""
    known = claimed() if claims is None else claims
    proved = {
        (name, backend): _proved(name, backend, known, recorded() if records is None else records)
        for name, declaration in all_faults().items()
        for backend in declaration.backends
    }
    parts = [HEAD, *_overview(proved)]
    for declaration in all_faults().values():
        parts += ["\n", *_section(declaration, proved)]
    return "".join(parts)


def unknown(claims: Sequence[Proof]) -> list[Proof]:
    """Marks that name what the catalogue does not have."""
    faults = all_faults()
    return [one for one in claims if one.fault not in faults or one.backend not in faults[one.fault].backends]


def _proved(fault: str, backend: str, claims: Sequence[Proof], records: dict[str, dict[str, str]]) -> str:
    found = [one for one in claims if (one.fault, one.backend) == (fault, backend)]
    servers = {records[one.test]["server"] for one in found if records.get(one.test, {}).get("digest") == one.digest}
    if servers:
        return f"**real** ({', '.join(sorted(servers))})"
    if all(one.only_real for one in found):
        return "not proved"
    if _kind(backend) == "kubernetes":
        return "**double**"
    # What is done to a Toxiproxy is tried on the sandbox's proxy, which answers as Toxiproxy does.
    return "**double**" if backend.rpartition("/")[2] == "toxiproxy" else "**local**"


def _overview(proved: dict[tuple[str, str], str]) -> Iterator[str]:
    backends = sorted(dict.fromkeys(backend for _, backend in proved), key=lambda one: [*_KINDS].index(_kind(one)))
    yield f"| fault | {' | '.join(_name(one) for one in backends)} |\n|---|{'---|' * len(backends)}\n"
    for fault in all_faults():
        cells = [proved.get((fault, one), "–").partition(" (")[0].partition(",")[0] for one in backends]
        yield f"| [`{fault}`](#{fault}) | {' | '.join(cells)} |\n"


def _name(backend: str) -> str:
    kind, engine = _kind(backend), backend.partition("/")[2]
    return f"{_KINDS[kind]}, {_ENGINES[engine]}" if engine else _KINDS[kind]


def _kind(backend: str) -> str:
    return backend.partition("/")[0]


def _section(declaration: FaultDeclaration, proved: dict[tuple[str, str], str]) -> Iterator[str]:
    yield f"## {declaration.name}\n\n{declaration.summary}. {declaration.description} {_lasting(declaration)}\n"
    if declaration.example:
        yield f"\n```yaml\n{declaration.example.strip()}\n```\n"
    yield "\n| parameter | type | default | means |\n|---|---|---|---|\n"
    schema = declaration.parameters.model_json_schema()["properties"]
    for own, field in declaration.parameters.model_fields.items():
        name = field.alias or own
        kind = _type(schema[name])
        yield f"| `{name}` | {kind} | {_default(field, kind)} | {cell(field.description or '')} |\n"
    backends = declaration.backends
    yield f"\n| | {' | '.join(_name(one) for one in backends)} |\n|---|{'---|' * len(backends)}\n"
    for title, text in _ROWS.items():
        yield f"| {title} | {' | '.join(cell(text(one)) for one in backends.values())} |\n"
    yield f"| proved | {' | '.join(proved[declaration.name, one] for one in backends)} |\n"


def _lasting(declaration: FaultDeclaration) -> str:
    if not declaration.one_shot:
        return "It lasts for the entry's `for`."
    return (
        f"It takes no `for`, unless it goes on ({declaration.lasting})."
        if declaration.lasting
        else "It takes no `for`."
    )


_ROWS: dict[str, Callable[[Backend], str]] = {
    "touches": lambda backend: backend.touches,
    "undone by": lambda backend: backend.undone_by,
    "in effect when": lambda backend: backend.effective_when,
    "recovered when": lambda backend: backend.recovered_when,
    "rights": lambda backend: "<br>".join(cell(one) for one in backend.permissions) or "none",
}
"""What a row is called -> what it says of a backend."""


def cell(text: str) -> str:
    """A text as it can stand in a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _default(field: FieldInfo, kind: str) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ([], (), {}):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if kind == "duration":
        return f"`{format_duration(value)}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _type(schema: dict[str, Any]) -> str:
    """A type in words."""
    if "anyOf" in schema:
        title = {"title": schema.get("title")}
        return " or ".join(dict.fromkeys(_type(title | one) for one in schema["anyOf"] if one.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    match schema.get("type"):
        case "string":
            return "duration" if "90s" in schema.get("examples", ()) else "text"
        case "integer" | "number" as kind:
            low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
            word = "whole number" if kind == "integer" else "number"
            lowest = "" if low is None else f"above {low:g}" if "exclusiveMinimum" in schema else f"from {low:g}"
            return f"{word} {lowest}{f' to {high:g}' if high is not None else ''}".strip()
        case "boolean":
            return "true or false"
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object" if "patternProperties" in schema:
            return "names, each with " + " or ".join(_type(one) for one in schema["patternProperties"].values())
        case _:
            return "a check" if schema.get("title") in ("Effective", "Recovered") else "an activity"
