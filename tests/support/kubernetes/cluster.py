"""What a test sees of its cluster: the double, or the real one that GAMEDAY_TEST_KUBECONFIG names.

What is here works on both; what only the double can do is in `DoubleCluster`. Requests that a test makes through these
methods are not recorded, are not touched by bad days, and reach the double while it is closed to everybody else.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from tests.support.kubernetes.process import Double, write_kubeconfig
from tests.support.kubernetes.resources import Resource, of_kind

T = TypeVar("T")
Json = dict[str, Any]
Objects = list[Json]

SERVE = ["python3", "-m", "http.server", "8080"]
IDLE = ["python3", "-c", "import time; time.sleep(1e9)"]


class Refused(AssertionError):
    """The API refused a request that the test itself made."""

    def __init__(self, method: str, path: str, status: int, body: Json) -> None:
        super().__init__(f"{method} {path}: {status} {body.get('message') or body}")
        self.status = status
        self.body = body


def is_ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


class Cluster:
    """A cluster with a namespace of this test's own.

    `kubeconfig` and `context` are what gameday is given; `url` is the API server's address.
    """

    is_real = False

    def __init__(self, kubeconfig: Path, context: str, namespace: str, url: str) -> None:
        self.kubeconfig = kubeconfig
        self.context = context
        self.namespace = namespace
        self.url = url
        self.image = os.environ.get("GAMEDAY_TEST_IMAGE", "example.com/app:1")
        self._api = url
        self._tls: ssl.SSLContext | None = None
        self._headers: dict[str, str] = {}

    # Requests

    def ask(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """One request as the test's own user; returns the object, or text. Raises `Refused`."""
        request = urllib.request.Request(
            self._api + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={**self._headers, "Content-Type": content_type, "Accept": "application/json"},
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls) as response:
                raw, kind = response.read(), response.headers.get("Content-Type", "")
        except urllib.error.HTTPError as refused:
            raw = refused.read()
            try:
                said = json.loads(raw)
            except ValueError:
                said = {"message": raw.decode(errors="replace")}
            raise Refused(method, path, refused.code, said) from None
        return json.loads(raw) if kind.startswith("application/json") else raw.decode()

    def path(self, kind: str, name: str = "", namespace: str | None = None, below: str = "") -> str:
        """The path of a kind, in this test's namespace unless another is named; "" asks for all namespaces."""
        resource = of_kind(kind)
        root = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
        space = self.namespace if namespace is None else namespace
        if resource.namespaced and space:
            root += f"/namespaces/{space}"
        return "/".join(filter(None, [f"{root}/{resource.plural}", name, below]))

    def _place(self, manifest: Json) -> tuple[Resource, str, str]:
        meta = manifest["metadata"]
        return of_kind(manifest["kind"]), meta["name"], meta.get("namespace") or self.namespace

    def apply(self, manifest: Json) -> Json:
        """Create an object, or replace the one that is there; returns what the server made of it."""
        resource, name, namespace = self._place(manifest)
        there = self.get(resource.kind, name, namespace)
        if there is None:
            created: Json = self.ask("POST", self.path(resource.kind, namespace=namespace), manifest)
            return created
        version = {"resourceVersion": there["metadata"]["resourceVersion"]}
        newer = manifest | {"metadata": manifest["metadata"] | version}
        updated: Json = self.ask("PUT", self.path(resource.kind, name, namespace), newer)
        return updated

    def get(self, kind: str, name: str, namespace: str | None = None) -> Json | None:
        try:
            found: Json = self.ask("GET", self.path(kind, name, namespace))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return found

    def list(self, kind: str, namespace: str | None = None, selector: str = "", fields: str = "") -> Objects:
        """The objects of a kind; `namespace=""` means those of all namespaces."""
        query = {"labelSelector": selector, "fieldSelector": fields}
        text = urllib.parse.urlencode({key: value for key, value in query.items() if value})
        answer = self.ask("GET", self.path(kind, namespace=namespace) + (f"?{text}" if text else ""))
        items: Objects = answer["items"]
        return items

    def delete(self, kind: str, name: str, namespace: str | None = None, **options: Any) -> None:
        """Delete it, with these DeleteOptions; nothing happens when it is not there."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", **options}
        try:
            self.ask("DELETE", self.path(kind, name, namespace), body)
        except Refused as refused:
            if refused.status != 404:
                raise

    def patch(
        self,
        kind: str,
        name: str,
        patch: Any,
        namespace: str | None = None,
        below: str = "",
        how: str = "application/merge-patch+json",
    ) -> Json:
        """Patch it, or its subresource `below`."""
        patched: Json = self.ask("PATCH", self.path(kind, name, namespace, below), patch, how)
        return patched

    # Waiting

    def until(self, function: Callable[[], T | None], timeout: float = 10, what: str = "") -> T:
        """The first true thing that `function` returns, asked again and again; fails after `timeout` seconds."""
        end = time.monotonic() + timeout * (6 if self.is_real else 1)
        while True:
            found = function()
            if found:
                return found
            if time.monotonic() > end:
                said = what or getattr(function, "__name__", "it")
                raise AssertionError(f"not within {timeout:g} s: {said}; last answer {found!r}\n{self.state()}")
            time.sleep(0.2 if self.is_real else 0.01)

    def state(self) -> str:
        """The pods and latest events of the namespace, for a message that helps."""
        lines = [f"namespace {self.namespace}:"]
        try:
            pods = self.list("Pod")
            if len(pods) > 20:
                lines.append(f"  {len(pods)} pods, of which:")
            for pod in pods[:20]:
                conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions") or []}
                going = " terminating" if "deletionTimestamp" in pod["metadata"] else ""
                lines.append(
                    f"  pod {pod['metadata']['name']}: {pod.get('status', {}).get('phase')}"
                    f" ready={conditions.get('Ready')}{going}"
                )
            for event in self.list("Event")[-8:]:
                lines.append(f"  event {event['reason']} {event['involvedObject']['name']}: {event['message']}")
        except (OSError, Refused) as why:
            lines.append(f"  (the server does not tell: {why})")
        return "\n".join(lines)

    # Workloads

    def pods(self, selector: str, namespace: str | None = None) -> Objects:
        """The pods that match and are not on their way out."""
        found = self.list("Pod", namespace, selector)
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def deployment(
        self,
        name: str,
        replicas: int = 3,
        labels: dict[str, str] | None = None,
        *,
        namespace: str | None = None,
        command: Sequence[str] | None = None,
        env: dict[str, str] | None = None,
        pod_labels: dict[str, str] | None = None,
        grace: int = 0,
        kind: str = "Deployment",
        wait: bool = True,
        **spec: Any,
    ) -> Json:
        """A Deployment (or StatefulSet) with a Service of the same name on port 80, waited for until it is whole.

        Its pods carry `app: name` and `labels`; `spec` goes into the workload's spec.
        """
        space = namespace or self.namespace
        selector = {"app": name}
        whole = {**selector, **(labels or {})}
        container = {
            "name": "app",
            "image": self.image,
            "imagePullPolicy": "Never",
            "command": command or SERVE,
            "ports": [{"containerPort": 8080}],
        }
        if env:
            container["env"] = [{"name": key, "value": value} for key, value in env.items()]
        pod = {"terminationGracePeriodSeconds": grace, "automountServiceAccountToken": False, "containers": [container]}
        port = {"port": 80, "targetPort": 8080}
        self.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": space, "labels": whole},
                "spec": {"selector": selector, "ports": [port]},
            }
        )
        manifest = {
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": space, "labels": whole},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": {**whole, **(pod_labels or {})}}, "spec": pod},
                **({"serviceName": name} if kind == "StatefulSet" else {}),
                **spec,
            },
        }
        made = self.apply(manifest)
        return self.whole(name, kind=kind, namespace=space) if wait else made

    def whole(self, name: str, kind: str = "Deployment", namespace: str | None = None, timeout: float = 10) -> Json:
        """Wait until all pods of a workload are there, new and ready; returns the workload."""

        def is_whole() -> Json | None:
            one = self.get(kind, name, namespace)
            if one is None:
                return None
            status, wanted = one.get("status", {}), one["spec"].get("replicas", 1)
            settled = status.get("observedGeneration") == one["metadata"]["generation"]
            numbers = [status.get(key, 0) for key in ("replicas", "readyReplicas", "updatedReplicas")]
            if not settled or numbers != [wanted] * 3:
                return None
            # The status lags behind a pod that has just been killed.
            selector = ",".join(f"{key}={value}" for key, value in one["spec"]["selector"]["matchLabels"].items())
            return one if [is_ready(pod) for pod in self.pods(selector, namespace)] == [True] * wanted else None

        return self.until(is_whole, timeout, f"{kind} {name} is whole")

    def close(self) -> None:
        """Whatever this test left behind goes."""


class DoubleCluster(Cluster):
    """The test server, and what only it can do."""

    def __init__(self, double: Double, folder: Path, **settings: Any) -> None:
        namespace = f"gameday-test-{secrets.token_hex(4)}"
        kubeconfig = write_kubeconfig(folder / "kubeconfig", double.public, namespace)
        super().__init__(kubeconfig, "gameday", namespace, f"http://127.0.0.1:{double.public}")
        self.double = double
        self._api = f"http://127.0.0.1:{double.private}"
        double.order("reset", **settings)
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    def close(self) -> None:
        """The end of the test: fails when something was asked that the double could not answer."""
        if self.double.alive:
            self.signal(signal.SIGCONT)
            told = self.violations
            assert not told, "the test server could not answer:\n" + "\n".join(told)

    @property
    def pid(self) -> int:
        return self.double.process.pid

    @property
    def requests(self) -> list[SimpleNamespace]:
        """What gameday asked, in the order of arrival: see `world.Call` for the fields."""
        return [SimpleNamespace(**one) for one in self.double.order("requests")]

    def asked(self, **wanted: Any) -> list[SimpleNamespace]:
        """Those of `requests` whose fields are these: `asked(verb="delete", resource="pods")`."""
        return [one for one in self.requests if all(getattr(one, key) == value for key, value in wanted.items())]

    def forget_requests(self) -> None:
        self.double.order("forget_requests")

    @property
    def violations(self) -> list[str]:
        """Requests that the double could not answer. A test that leaves any fails at its end."""
        told: list[str] = self.double.order("violations")
        return told

    def forgive(self) -> list[str]:
        """Take the violations off the books: for tests that provoke them."""
        told: list[str] = self.double.order("forgive")
        return told

    def rules(self, user: str, rules: list[Json] | None, token: str | None = None) -> None:
        """Let `user` do only what these rules say (as in a Role, `namespace` beside it); None allows everything.

        With `token` that bearer token belongs to the user from now on.
        """
        self.double.order("rules", user=user, rules=rules, token=token)

    def expire(self, user: str = "gameday", expired: bool = True) -> None:
        """From now on this user's token is refused with 401, or taken again."""
        self.double.order("expire", user=user, expired=expired)

    def misbehave(self, **what: Any) -> int:
        """A bad day for matching requests: see `world.Trouble`. Returns a number for `behave`."""
        number: int = self.double.order("misbehave", **what)
        return number

    def behave(self, number: int | None = None) -> None:
        """End one bad day, or all."""
        self.double.order("behave", number=number)

    def gone(self) -> None:
        """Nobody listens any more; connections are refused, open ones reset."""
        self.double.order("close")

    def back(self) -> None:
        """On the same port again."""
        self.double.order("open")

    def drop_watches(self, abrupt: bool = False) -> None:
        """End all watches, by the book or with a reset."""
        self.double.order("drop_watches", abrupt=abrupt)

    def compact(self) -> None:
        """Forget the history: watches and continued lists from before get 410."""
        self.double.order("compact")

    def settings(self, **settings: Any) -> None:
        """See `world.Settings`."""
        self.double.order("settings", **settings)

    def seed(self, obj: Json) -> Json:
        """Store an object as it is, past all rules; controllers go on from there."""
        stored: Json = self.double.order("seed", obj=obj)
        return stored

    def log(self, pod: str, text: str, namespace: str | None = None) -> None:
        """What `pods/log` is to answer."""
        self.double.order("log", namespace=namespace or self.namespace, name=pod, text=text)

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT or SIGKILL to the server's process."""
        self.double.signal(number)
