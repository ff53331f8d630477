"""A real terminal for the console: tmux, with a server of its own for each test."""

from __future__ import annotations

import shlex
import subprocess
import time
import uuid

from tests.support.processes import wait_for


class Terminal:
    """One tmux window. Keys go in, the screen comes out."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: str, size: tuple[int, int]) -> None:
        self._server = f"gameday-test-{uuid.uuid4().hex[:8]}"
        self._environment = {**environment, "TERM": "screen-256color", "LANG": "C.UTF-8"}
        text = f"cd {shlex.quote(folder)}; {shlex.join(command)}; code=$?; echo; echo EXIT $code; exec cat"
        width, height = size
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), text)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._server, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def press(self, *keys: str) -> float:
        """Press keys as tmux names them (`C-x`, `Enter`, `q`); unix time just before the last one."""
        for key in keys[:-1]:
            self._tmux("send-keys", key)
        pressed = time.time()
        self._tmux("send-keys", keys[-1])
        return pressed

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def shows(self, words: str, within: float = 40.0) -> str:
        """The screen, once it has `words` on it."""

        def look() -> str:
            screen = self.screen()
            return screen if words in screen else ""

        try:
            return wait_for(look, within, f"{words!r} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen()}") from None

    def close(self) -> None:
        subprocess.run(["tmux", "-L", self._server, "kill-server"], capture_output=True, check=False)
