"""What goes wrong between us and an API server, in words for people. Imports nothing heavy."""

from __future__ import annotations

from typing import Any

from gameday.errors import TargetError

_NOBODY = 'User "system:anonymous"'


class AnotherCluster(TargetError):
    """By the same address another cluster answers than the one that was found when the exercise began."""


class Unreachable(RuntimeError):
    """No answer, or none that can be read: nobody knows whether the request was carried out."""

    def __init__(self, message: str, *, never_sent: bool = False) -> None:
        super().__init__(message)
        self.never_sent = never_sent
        """The connection itself was refused, so nothing can have been carried out."""


class Refused(RuntimeError):
    """The API server answered with a status of 400 or more: nothing was carried out."""

    def __init__(
        self, asked: str, status: int, body: dict[str, Any], *, retry_after: float | None = None, who: str = ""
    ) -> None:
        """`who`: as whom it was asked, as people know it."""
        self.status = status
        self.reason = str(body.get("reason") or "")
        self.message = str(body.get("message") or "")
        self.causes = [cause for cause in (body.get("details") or {}).get("causes") or () if isinstance(cause, dict)]
        self.retry_after = retry_after
        """Seconds that the server asks to wait; None where it says nothing."""
        self.absent = status == 404 and body.get("kind") == "Status"
        """An API server says that there is no such object. Proxies, and servers that are none, answer 404 as well."""
        self.nobody = status in (401, 403) and _NOBODY in self.message
        """Whoever asked had not logged in at all: nothing that would say who it is was sent."""
        super().__init__(f"{asked}: {self._words(who)}")

    def _words(self, who: str) -> str:
        said = " ".join(self.message.split())[:500]
        if self.nobody:
            whose = who or "the kubeconfig"
            return f"{self.status}, nobody is logged in: {whose} has neither a token nor a certificate; {said}"
        if self.status == 401:
            hint = "the API server does not know who asks: log in again (an expired token?)"
            hint += f"; asked by {who}" if who else ""
            return f"401, {hint}" if not said or said == "Unauthorized" else f"401, {said}; {hint}"
        text = f"{self.status}{f' {self.reason}' if self.reason else ''}{f', {said}' if said else ''}"
        if "failed calling webhook" in said:
            # Nothing is changed as long as it does not answer, an undo as little as what is pasted.
            text += (
                "; the API server asks this webhook before it changes anything: where the fault took down what answers "
                "it, set failurePolicy: Ignore in its webhook configuration, or delete that"
            )
        details = [str(cause.get("message")) for cause in self.causes if cause.get("message")]
        more = [" ".join(one.split())[:300] for one in details if one not in said]
        return f"{text}; {'; '.join(more)}" if more else text

    def caused_by(self, reason: str) -> bool:
        """Whether one of its causes has this reason, e.g. `DisruptionBudget`."""
        return any(cause.get("reason") == reason for cause in self.causes)
