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
from tests.debrief.journals import leaked, payment_outage, tabletop
from tests.exercise.journal import golden_records

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
  const problems = [];
  for (const frame of document.querySelectorAll("iframe")) problems.push(...look(frame.contentDocument, frame.title));
  document.body.setAttribute("data-problems", JSON.stringify(problems));
});
function look(page, where) {
  const problems = [];
  for (const svg of page.querySelectorAll("svg.timeline, svg.abort, svg.condition")) {
    const name = svg.getAttribute("class"), view = svg.viewBox.baseVal;
    const texts = [...svg.querySelectorAll("text")];
    const boxes = texts.map(t => [t.textContent, t.getBBox(), t.getAttribute("class") || ""]);
    for (const [text, box] of boxes)
      if (box.x < -1 || box.x + box.width > view.width + 1 || box.y < -1 || box.y + box.height > view.height + 1)
        problems.push(`${name}: "${text}" is cut`);
    boxes.forEach(([text, a], i) => boxes.slice(i + 1).forEach(([other, b]) => {
      if (a.x < b.x + b.width && b.x < a.x + a.width && a.y + 2 < b.y + b.height && b.y + 2 < a.y + a.height)
        problems.push(`${name}: "${text}" lies on "${other}"`);
    }));
  }
  const inside = (what, list) => {
    for (const one of list) {
      const box = one.getBoundingClientRect(), text = one.textContent.trim().slice(0, 40);
      if (text && box.right > page.documentElement.clientWidth + 1) problems.push(`${what} "${text}" is cut`);
      if (one.scrollWidth > one.clientWidth + 1 && one.clientWidth) problems.push(`${what} "${text}" runs over`);
    }
  };
  inside("cell", page.querySelectorAll("td, th"));
  inside("stage", page.querySelectorAll(".stages span"));
  inside("number", page.querySelectorAll(".numbers dd, .numbers dt"));
  const labels = [...page.querySelectorAll("td[data-label]")].filter(one => one.getClientRects().length);
  for (const one of labels) {
    const label = page.defaultView.getComputedStyle(one, "::before");
    if (label.content !== "none" && parseFloat(label.height) > one.getBoundingClientRect().height + 1)
      problems.push(`label "${one.dataset.label}" lies on the next one`);
  }
  const root = page.documentElement;
  if (root.scrollWidth > root.clientWidth) problems.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}`);
  return problems.map(problem => `${where}: ${problem}`);
}
</script>
"""


PAGES = {"outage": payment_outage, "leaked": leaked, "tabletop": tabletop, "incident": golden_records}
WIDTHS = [("outage", 1280), ("outage", 800), ("outage", 700), ("outage", 400), ("leaked", 400), ("tabletop", 400),
          ("incident", 800)]  # fmt: skip


def test_nothing_is_cut_and_nothing_lies_on_another(site: Site, tmp_path: Path) -> None:
    for name, records in PAGES.items():
        site.pages[f"/{name}.html"] = render_html(build_debrief(records())).encode()
    frames = "".join(
        f'<iframe title="{name} at {width}" src="/{name}.html" style="width:{width}px;height:900px;border:0"></iframe>'
        for name, width in WIDTHS
    )
    site.pages["/"] = f"<!doctype html><body>{frames}{_MEASURE}</body>".encode()
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
