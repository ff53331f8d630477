"""What a test tells the double beside the API: `POST /control` on the private port, `{"do": name, …}`."""

from __future__ import annotations

from typing import Any

from tests.support.kubernetes.controllers import loop
from tests.support.kubernetes.http_server import Gate
from tests.support.kubernetes.world import World

Json = dict[str, Any]


class Control:
    """The orders that a test may give; each takes keyword arguments and returns something for JSON."""

    def __init__(self, world: World, public: Gate) -> None:
        self.world = world
        self.public = public

    def __call__(self, order: Json) -> Any:
        name = order.pop("do")
        return getattr(self, f"do_{name}")(**order)

    def do_reset(self, **settings: Any) -> None:
        self.public.open()
        self.world.reset(**settings)

    def do_settings(self, **settings: Any) -> None:
        with self.world.lock:
            for name, value in settings.items():
                if not hasattr(self.world.settings, name):
                    raise AttributeError(f"no setting {name}")
                setattr(self.world.settings, name, value)
            self.world.store.version += 1
            self.world.store.changed.notify_all()

    def do_seed(self, obj: Json) -> Json:
        with self.world.lock:
            return self.world.seed(obj)

    def do_step(self) -> None:
        loop.once(self.world)

    def do_requests(self) -> list[Json]:
        return self.world.recorded()

    def do_forget_requests(self) -> None:
        with self.world.lock:
            self.world.calls.clear()

    def do_violations(self) -> list[str]:
        with self.world.lock:
            return list(self.world.violations)

    def do_forgive(self) -> list[str]:
        with self.world.lock:
            told, self.world.violations = self.world.violations, []
            return told

    def do_rules(self, user: str, rules: list[Json] | None, token: str | None) -> None:
        with self.world.lock:
            self.world.rules[user] = rules
            if token:
                self.world.tokens[token] = user

    def do_expire(self, user: str, expired: bool) -> None:
        with self.world.lock:
            (self.world.expired.add if expired else self.world.expired.discard)(user)

    def do_misbehave(self, **what: Any) -> int:
        return self.world.trouble(**what)

    def do_behave(self, number: int | None = None) -> None:
        with self.world.lock:
            self.world.troubles = [one for one in self.world.troubles if number is not None and one.id != number]

    def do_close(self) -> None:
        self.public.close()

    def do_open(self) -> None:
        self.public.open()

    def do_drop_watches(self, abrupt: bool = False) -> None:
        self.world.drop_watches(abrupt)

    def do_compact(self) -> None:
        self.world.store.compact()

    def do_log(self, namespace: str, name: str, text: str) -> None:
        with self.world.lock:
            self.world.logs[namespace, name] = text
