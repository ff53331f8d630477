"""The shell lines by which a person does what an activity would have done. Runs nothing, and imports no extension.

What is filled in is just what the real call gets: by the same functions, with the same types. What may be nobody else's
business, a secret or a text from the environment, is not in them: the line reads it from where it is, and one whose
variable is not set says which, and does nothing.
"""

from __future__ import annotations

import ast
import json
import os
import re
import secrets as randomness
import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from typing import Any, NamedTuple

from gameday.engine.ports import Json
from gameday.faults.secrets import groups, place

_TOLD = ("int", "integer", "float", "number", "bool")
"""Types of a configuration's variable whose values are no secrets."""


class _Read(NamedTuple):
    """What a line reads itself, in the words of Python and of a shell."""

    python: str
    shell: str
    text: bool = True


def by_hand(provider: Mapping[str, Json], configuration: Mapping[str, Json]) -> str:
    """A shell line that does what the provider does; `configuration` is what the target publishes of it.

    Raises:
        ValueError: a variable of its configuration is not what its type says.
    """
    filled = _Filled(provider, configuration)
    if provider["type"] == "python":
        modules = [name for name in ("json", "os") if f"{name}." in filled.read_by_python()]
        first = f"import {', '.join(modules)}; " if modules else ""
        script = f"{first}from {provider['module']} import {provider['func']}; print({filled.call()})"
        return f"{shlex.quote(sys.executable or 'python3')} -c {_quoted(script)}"
    return filled.process() if provider["type"] == "process" else filled.request()


def in_words(provider: Mapping[str, Json], configuration: Mapping[str, Json]) -> str:
    """The same to be read: of a function only its call, `chaosk8s.pod.actions.terminate_pods(ns="shop")`."""
    if provider["type"] != "python":
        return by_hand(provider, configuration)
    return f"{provider['module']}.{_Filled(provider, configuration).call()}"


class _Filled:
    """A provider with everything filled in; marks stand where a line reads something itself."""

    def __init__(self, provider: Mapping[str, Json], configuration: Mapping[str, Json]) -> None:
        from chaoslib.configuration import load_configuration

        self.provider = provider
        self._token = randomness.token_hex(8)
        self._marks = re.compile(f"(<{self._token}-[0-9]+>)")
        self._reads: dict[str, _Read] = {}
        own = provider.get("configuration") or {}
        self.settings: dict[str, Any] = dict(load_configuration({**configuration, **own}))
        for name, value in own.items():
            if isinstance(value, Mapping) and value.get("type") == "env" and value.get("key") in os.environ:
                kind = value.get("env_var_type")
                if kind not in _TOLD:
                    self.settings[name] = self._mark(_variable(str(value["key"]), kind))
        written = provider.get("secrets")
        found = groups(written) if isinstance(written, Mapping) else {}
        self.secrets = {
            group: {name: self._secret(where) for name, where in inner.items()} for group, inner in found.items()
        }

    def _mark(self, read: _Read) -> str:
        mark = f"<{self._token}-{len(self._reads)}>"
        self._reads[mark] = read
        return mark

    def _secret(self, where: tuple[str, str]) -> str:
        kind, name = where
        if kind == "plain":
            return name
        if kind == "env":
            return self._mark(_variable(name, None))
        path = str(Path(name).expanduser())
        return self._mark(_Read(f"open({_literal(path)}).read().strip()", f"$(cat {shlex.quote(path)})"))

    def _substituted(self, value: Json, *, always: bool = False) -> Any:
        """As the real call does it, which leaves arguments alone where there is nothing to fill them with."""
        from chaoslib import substitute

        # A process finds its secrets in its environment.
        seen = {} if self.provider["type"] == "process" else self.secrets
        return substitute(value, self.settings, seen) if always or self.settings or seen else value

    # --- Python --------------------------------------------------------------------------------------------------

    def read_by_python(self) -> str:
        """The expressions of what the call reads."""
        call = self.call()
        return " ".join(read.python for read in self._reads.values() if read.python in call)

    def call(self) -> str:
        """The function with its arguments, and what it is given beside them where it takes that."""
        name = str(self.provider["func"])
        arguments = dict(self._substituted(self.provider.get("arguments") or {}))
        takes = _parameters(str(self.provider["module"]), name)
        if self.secrets and "secrets" in takes:
            arguments["secrets"] = {key: value for group in self.secrets.values() for key, value in group.items()}
        if self.settings and "configuration" in takes:
            arguments["configuration"] = self.settings
        if all(key.isidentifier() and not iskeyword(key) for key in arguments):
            return f"{name}({', '.join(f'{key}={self._python(value)}' for key, value in arguments.items())})"
        return f"{name}(**{self._python(arguments)})"

    def _python(self, value: Any) -> str:
        """A literal of Python, or an expression where it reads something."""
        if isinstance(value, str):
            parts = [part for part in self._marks.split(value) if part]
            if len(parts) == 1 and parts[0] in self._reads:
                return self._reads[parts[0]].python
            return " + ".join(self._text(part) for part in parts) or '""'
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{self._python(key)}: {self._python(each)}" for key, each in value.items()) + "}"
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._python, value))}]"
        return _literal(value)

    def _text(self, part: str) -> str:
        read = self._reads.get(part)
        if read is None:
            return _literal(part)
        return read.python if read.text else f"str({read.python})"

    # --- a shell -------------------------------------------------------------------------------------------------

    def process(self) -> str:
        environment = {name: mark for group in self.secrets.values() for name, mark in group.items()}
        given = [f"{name}={self._word(mark)}" for name, mark in environment.items()]
        program = shlex.quote(os.path.expanduser(str(self.provider["path"])))  # noqa: PTH111
        arguments = self._substituted(self.provider.get("arguments") or [])
        if isinstance(arguments, str):
            # That tool gives the whole to a shell, too.
            return " ".join([*given, program, self._marks.sub(lambda mark: self._reads[mark[0]].shell, arguments)])
        pairs = [each for pair in arguments.items() for each in pair] if isinstance(arguments, dict) else arguments
        return " ".join([*given, program, *(self._word(str(each)) for each in pairs if each not in (None, ""))])

    def request(self) -> str:
        provider = self.provider
        method = str(provider.get("method", "GET")).upper()
        words = ["curl", "-sS", "--fail", "-X", method]
        headers = dict(provider.get("headers") or {})
        for name, value in headers.items():
            secret = place(value)
            headers[name] = self._secret(secret) if secret else self._substituted(value, always=True)
            words += ["-H", f"{name}: {headers[name]}"]
        arguments = self._substituted(provider.get("arguments"))
        if arguments and method != "GET" and headers.get("Content-Type") == "application/json":
            words += ["--data", json.dumps(arguments, ensure_ascii=False)]
        elif isinstance(arguments, str):
            words += ["--data", arguments]
        elif arguments:
            for name, value in arguments.items():
                values = value if isinstance(value, list | tuple) else [value]
                words += [
                    word for each in values if each is not None for word in ("--data-urlencode", f"{name}={each}")
                ]
        words += ["--get"] if arguments and method == "GET" else []
        url = self._substituted(provider["url"], always=True)
        return " ".join(self._word(str(word)) for word in [*words, url])

    def _word(self, text: str) -> str:
        """`text` as one word of a shell line, in which the shell finds what it is to read."""
        parts = self._marks.split(text)
        if len(parts) == 1:
            return _quoted(text)
        return f'"{"".join(self._reads[part].shell if part in self._reads else _escaped(part) for part in parts)}"'


def _variable(name: str, kind: str | None) -> _Read:
    read = f"os.environ[{_literal(name)}]"
    # A shell that finds no such variable says so, and runs nothing.
    shell = f"${{{name}?}}"
    if kind == "json":
        return _Read(f"json.loads({read})", shell, text=False)
    return _Read(f"{read}.encode()", shell, text=False) if kind == "bytes" else _Read(read, shell)


def _parameters(module: str, function: str) -> set[str]:
    """What a function takes, as far as its source says so: to import it would run its code."""
    top, *below = module.split(".")
    spec = find_spec(top)
    if spec is None:
        return set()
    folders = list(spec.submodule_search_locations or ())
    files = [Path(folder, *below, "__init__.py") for folder in folders]
    files += [Path(folder, *below).with_suffix(".py") for folder in folders] if below else []
    files += [Path(spec.origin)] if not folders and spec.origin else []
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == function:
                return {one.arg for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    return set()


def _literal(value: Any) -> str:
    """A literal of Python, its text in double quotes, which stand in the single quotes of a shell as they are."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and repr(value) in ("nan", "inf", "-inf"):
        return f'float("{value!r}")'
    return repr(value)


def _quoted(text: str) -> str:
    """`text` as one word for a shell, in the quotes that leave it readable."""
    single = shlex.quote(text)
    # An interactive shell looks for its history behind an exclamation mark, between double quotes too.
    if "'" not in text or "!" in text:
        return single
    double = f'"{_escaped(text)}"'
    return double if len(double) <= len(single) else single


def _escaped(text: str) -> str:
    """`text` for between double quotes of a shell."""
    return re.sub(r'([\\"$`])', r"\\\1", text)
