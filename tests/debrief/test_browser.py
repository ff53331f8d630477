"""The page in a real browser: no error in its console, no request to anywhere, nothing drawn outside or on top.

Skipped, visibly, where no Chromium is installed.
"""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gameday.debrief.build import build_debrief
from gameday.debrief.html import render_html
from tests.debrief.hostile import ATTACKS, everywhere
from tests.debrief.journals import payment_outage

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: the page was not looked at")


class Site:
    """Serves pages on loopback and writes down who asked for what."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                body = site.pages.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


def browse(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--enable-logging=stderr",
            "--v=0",
            f"--user-data-dir={profile}",
            # Whatever the page might ask for elsewhere ends nowhere, and would be said in the console.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            *options,
            url,
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )


@pytest.mark.parametrize("attack", [None, "script", "cdata", "attribute"])
def test_no_console_error_and_no_request(site: Site, tmp_path: Path, attack: str | None) -> None:
    records = payment_outage() if attack is None else everywhere(ATTACKS[attack])
    site.pages["/debrief.html"] = render_html(build_debrief(records)).encode()
    done = browse(f"{site.address}/debrief.html", tmp_path, "--dump-dom")
    assert "What matters most" in done.stdout
    assert [text for text in done.stderr.splitlines() if "CONSOLE" in text] == []
    assert set(site.asked) == {"/debrief.html"}


_MEASURE = """
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument;
  const problems = [];
  for (const svg of page.querySelectorAll("svg.timeline, svg.stages, svg.abort, svg.condition")) {
    const name = svg.getAttribute("class"), view = svg.viewBox.baseVal;
    const texts = [...svg.querySelectorAll("text")];
    const boxes = texts.map(t => [t.textContent, t.getBBox(), t.getAttribute("class") || ""]);
    for (const [text, box] of boxes)
      if (box.x < -1 || box.x + box.width > view.width + 1 || box.y < -1 || box.y + box.height > view.height + 1)
        problems.push(`${name}: "${text}" is cut`);
    const flags = boxes.filter(([, , cls]) => cls.includes("milestone"));
    flags.forEach(([text, a], i) => flags.slice(i + 1).forEach(([other, b]) => {
      if (a.x < b.x + b.width && b.x < a.x + a.width && a.y + 2 < b.y + b.height && b.y + 2 < a.y + a.height)
        problems.push(`${name}: "${text}" lies on "${other}"`);
    }));
  }
  const root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) problems.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
  document.body.setAttribute("data-problems", JSON.stringify(problems));
});
</script>
"""


@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_is_cut_and_no_flag_lies_on_another(site: Site, tmp_path: Path, width: int) -> None:
    page = render_html(build_debrief(payment_outage()))
    site.pages["/debrief.html"] = page.encode()
    frame = f'<iframe src="/debrief.html" style="width:{width}px;height:900px;border:0"></iframe>'
    site.pages["/"] = f"<!doctype html><body>{frame}{_MEASURE}</body>".encode()
    dom = browse(f"{site.address}/", tmp_path, "--dump-dom", "--virtual-time-budget=3000").stdout
    found = re.search(r'data-problems="([^"]*)"', dom)
    assert found is not None, dom[:500]
    assert json.loads(found.group(1).replace("&quot;", '"')) == []


def test_it_prints(site: Site, tmp_path: Path) -> None:
    site.pages["/debrief.html"] = render_html(build_debrief(payment_outage())).encode()
    target = tmp_path / "debrief.pdf"
    browse(f"{site.address}/debrief.html", tmp_path / "profile", f"--print-to-pdf={target}", "--no-pdf-header-footer")
    data = target.read_bytes()
    assert data.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 14
