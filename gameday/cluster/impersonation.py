"""Acting as somebody else, as a kubeconfig's user may say (`as`, `as-uid`, `as-groups`, `as-user-extra`).

The official client does not know these keys, and would act with all the rights of the account that logs in. Here every
request carries the headers that kubectl sends. What logs in by itself with that client (chaosk8s) can't be made to: see
`lending`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gameday.patterns import pattern

_USER, _UID, _GROUPS, _EXTRA = "as", "as-uid", "as-groups", "as-user-extra"
_UNFIT = pattern(r"[^!#$&'*+.^_`|~0-9A-Za-z-]")
_CONTROL = pattern(r"[\x00-\x08\x0a-\x1f\x7f]")


def headers(user: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values of what has to be sent with each request that is made for this user of a kubeconfig.

    A name may be there more than once; nothing is where it acts as itself.

    Raises:
        ValueError: the keys are not what they must be, or can't be sent.
    """
    name = _text(_USER, user.get(_USER))
    uid = _text(_UID, user.get(_UID))
    groups = [_text(_GROUPS, each) for each in _listed(_GROUPS, user.get(_GROUPS))]
    extra = user.get(_EXTRA) or {}
    if not isinstance(extra, Mapping):
        raise ValueError(f"{_EXTRA} of its user is no table of lists of text: correct it in the kubeconfig")
    if not name:
        if uid or groups or extra:
            raise ValueError(
                f"its user has {_UID}, {_GROUPS} or {_EXTRA}, and no `{_USER}`: say in the kubeconfig whom to "
                "impersonate, or take them out"
            )
        return []
    found = [("Impersonate-User", name)]
    if uid:
        found.append(("Impersonate-Uid", uid))
    found += [("Impersonate-Group", group) for group in groups]
    for key, values in extra.items():
        found += [(f"Impersonate-Extra-{_escaped(str(key))}", _text(_EXTRA, each)) for each in _listed(_EXTRA, values)]
    return found


def whom(user: Mapping[str, Any]) -> str:
    """Who is impersonated, for people; "" where nobody is."""
    return str(user.get(_USER) or "")


def send_with(manager: Any, added: Sequence[tuple[str, str]]) -> None:
    """Have all requests by this pool manager of urllib3 carry these headers too, to the server that they are for.

    Where the pools send them, and not through the client, in whose headers no name can be there twice; nor can it in
    what a manager sends on over a proxy.
    """
    if not added:
        return
    from urllib3 import HTTPHeaderDict

    names = {name.lower() for name, _ in added}

    def whole(given: Mapping[str, str] | None) -> HTTPHeaderDict:
        made = HTTPHeaderDict()
        for name, value in [*(given or {}).items()]:
            if name.lower() not in names:
                made.add(name, value)
        for name, value in added:
            # As UTF-8: http.client writes each of these characters as the byte that it stands for.
            made.add(name, value.encode().decode("latin-1"))
        return made

    def impersonating(kind: Any) -> Any:
        class Pool(kind):  # type: ignore[misc]
            def urlopen(
                self, method: str, url: str, body: Any = None, headers: Any = None, *rest: Any, **more: Any
            ) -> Any:
                return super().urlopen(method, url, body, whole(headers), *rest, **more)

        return Pool

    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: impersonating(kind) for scheme, kind in pools.items()}


def _text(key: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{key} of its user is not text: put quotes around it in the kubeconfig")
    if _CONTROL.search(value):
        raise ValueError(f"{key} of its user holds a line break, or another control character: it can't be sent")
    return value


def _listed(key: str, value: Any) -> Sequence[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise ValueError(f"{key} of its user is no list: write one in the kubeconfig")
    return value


def _escaped(key: str) -> str:
    """As part of a header's name: what may not stand in one as %XX, and so the sign that this begins with."""
    return _UNFIT.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), key)
