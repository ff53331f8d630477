"""What the official client imports and a run does not use is imported only once somebody asks for it.

Its thousand model classes, refreshing of OIDC tokens, pools of processes, parsing of dates: four fifths of its import.
Where it has not been imported yet (what has stays as it is), two things are done about that:

- A package with much in its `__init__` (`_PACKAGES`) is there without that having run. Modules below it can be
  imported, and the first name that is asked of the package runs its `__init__` and is found.
- Some modules of the client (`_WAITING`) get stand-ins for some of what they import, which import it when it is used.
  Nobody else gets them: who imports the same thing for himself gets the thing.

So whoever else has the client in this process (chaosk8s, say) finds all of it, later. Knows nothing of log-ins.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_PACKAGES = ("kubernetes", "kubernetes.client", "kubernetes.client.models", "urllib3.http2")
_WAITING: Mapping[str, Sequence[str]] = {
    "kubernetes.client.api_client": ("dateutil.parser", "multiprocessing.pool"),
    "kubernetes.client.configuration": ("multiprocessing",),
    "kubernetes.client.rest": ("certifi", "requests.utils"),
    "kubernetes.config.kube_config": (
        "adal",
        "google.auth",
        "google.auth.transport.requests",
        "oauthlib.oauth2",
        "platform",
        "requests_oauthlib",
    ),
}
"""Modules of the client, and which of their imports have time. What they only call, and don't derive from."""
_OPTIONAL = {"adal": "adal", "google.auth": "google.auth", "google.auth.transport.requests": "google.auth"}
"""Of these what the client does without, and by what it can be told: it wants to hear at once that it is not there."""
_KNOWN: Mapping[str, Mapping[str, Callable[[], Any]]] = {
    "multiprocessing": {"cpu_count": lambda: os.cpu_count() or 1},
    "platform": {"system": lambda: os.uname().sysname},
}
"""What is asked of them always, and known without them."""
_ASKED = ("__all__", "__version__")
"""Names of this form that somebody may ask a package for; others are the interpreter's, and there or not."""
_PATIENCE = 10.0
"""Seconds to wait for another thread that runs an `__init__`: it may be waiting for what we have begun to import."""

_one_at_a_time = threading.RLock()


def install() -> None:
    """Have the client, where it is not imported yet, imported in this way from now on."""
    with _one_at_a_time:
        if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds what everybody finds, and has it loaded in our way."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        kind = _Later if name in _PACKAGES else _Sparing if name in _WAITING else None
        if kind is None or target is not None:
            return None
        spec = PathFinder.find_spec(name, path)
        # What is not a source file on a disk is left to those who know it.
        if spec is None or spec.origin is None or type(spec.loader) is not SourceFileLoader:
            return None
        spec.loader = kind(name, spec.origin)
        return spec


class _Later(SourceFileLoader):
    """Of a package whose `__init__` has time."""

    def exec_module(self, module: ModuleType) -> None:
        module.__class__ = Package

    def run(self, module: ModuleType) -> None:
        super().exec_module(module)


class Package(ModuleType):
    """A package whose `__init__` runs when something is asked of it that is not there."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name not in _ASKED:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__) is not None:
            return importlib.import_module(f"{self.__name__}.{name}")
        _run(self)
        return ModuleType.__getattribute__(self, name)

    def __dir__(self) -> list[str]:
        _run(self)
        return list(super().__dir__())


_running: set[str] = set()
"""Packages whose `__init__` is running; by whoever holds the lock."""


def _run(package: ModuleType) -> None:
    """Once, whoever asks; from then on it is a module like any other."""
    ours = _one_at_a_time.acquire(timeout=_PATIENCE)
    try:
        if not ours or type(package) is not Package or package.__name__ in _running:
            return
        _running.add(package.__name__)
        try:
            loader = package.__spec__ and package.__spec__.loader
            assert isinstance(loader, _Later)
            loader.run(package)
            package.__class__ = ModuleType  # type: ignore[assignment]
        finally:
            _running.discard(package.__name__)
    finally:
        if ours:
            _one_at_a_time.release()


class _Sparing(SourceFileLoader):
    """Of a module that gets stand-ins: by an `__import__` of its own, so that nobody else sees any of them."""

    def exec_module(self, module: ModuleType) -> None:
        waiting = _WAITING[module.__name__]

        def spare(name: str, *how: Any) -> Any:
            # As the interpreter calls it: globals, locals, names, level.
            names = how[2] if len(how) > 2 else ()
            level = how[3] if len(how) > 3 else 0
            if level or name not in waiting or name in sys.modules or not _is_there(_OPTIONAL.get(name)):
                return builtins.__import__(name, *how)
            return _Names(name) if names else _StandIn(name)

        vars(module)["__builtins__"] = {**vars(builtins), "__import__": spare}
        super().exec_module(module)


def _is_there(name: str | None) -> bool:
    """Whether a module can be found; it is not looked for where it is none in particular."""
    try:
        return name is None or importlib.util.find_spec(name) is not None
    except ImportError:
        return False


class _StandIn:
    """For `import a.b`: what is asked of `a`, once `a.b` is imported."""

    def __init__(self, name: str) -> None:
        vars(self).update(_KNOWN.get(name, {}), _name=name)

    def __getattr__(self, name: str) -> Any:
        whole: str = vars(self)["_name"]
        importlib.import_module(whole)
        return getattr(sys.modules[whole.partition(".")[0]], name)


class _Names:
    """For `from a.b import c`, for each `c`: something that can be called, and calls what it stands for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        module = self._module

        def call(*arguments: Any, **more: Any) -> Any:
            return getattr(importlib.import_module(module), name)(*arguments, **more)

        call.__name__ = call.__qualname__ = name
        return call
