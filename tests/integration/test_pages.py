"""The pages in a real browser and before a validator: well-formed, accessible, whole, and quiet under their policy.

Debian packages: chromium, nodejs, npm; and ``npm ci`` in tests/page, which ``make test`` runs where CI=true.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.batches import made
from tests.test_report import rolled
from tests.verdicts import full, verdict
from verify.disposition import Policy, rehearse
from verify.model import ActionKind, ConclusionReason, Verdict, replace
from verify.render.page import to_html
from verify.render.report import to_report

TOOLS = Path(__file__).resolve().parent.parent / "page"
SIZES = {"desktop": "1280,900", "phone": "500,900"}  # the narrowest window that the browser opens
LOOKS = {"light": "1", "dark": "0"}


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install --no-install-recommends {package}")
    return found


def tool(path: str) -> Path:
    found = TOOLS / "node_modules" / path
    if not found.exists():
        pytest.skip(f"{path} is not there: npm ci --prefix tests/page")
    return found


def rehearsed() -> list[Verdict]:
    """A batch under a policy that does everything that one can do, with exceptions that stored mail is silent on."""
    policy = Policy(
        on_quarantine=ActionKind.QUARANTINE,
        on_reject=ActionKind.REJECT,
        on_dns=ActionKind.DEFER,
        except_recipients=("postmaster@home.example",),
    )
    done = [replace(one, rehearsal=rehearse(one, policy, named=True)) for one in made(1500)]
    assert {one.rehearsal.action for one in done if one.rehearsal is not None} == set(ActionKind)
    return done


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    texts = {f"verdict-{reason}": to_html(verdict(reason)) for reason in ConclusionReason}
    texts["verdict-full"] = to_html(full())
    texts["batch"] = to_report(rolled(folder, list(made(1500)), {"sources": "takeout.zip", "version": "1"}))
    (folder / "rehearsed").mkdir()
    texts["batch-rehearsed"] = to_report(rolled(folder / "rehearsed", rehearsed(), {"policy": "server.toml"}))
    (folder / "empty").mkdir()
    texts["batch-empty"] = to_report(rolled(folder / "empty", []))
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def test_the_pages_are_valid_html(pages: dict[str, Path]) -> None:
    checker = tool("html-validate/bin/html-validate.mjs")
    command = [program("node", "nodejs"), str(checker), "--config", str(TOOLS / "html-validate.json"), "-f", "stylish"]
    done = subprocess.run([*command, *map(str, pages.values())], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def browse(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[str, list[str]]]:
    """Opens a page without network; its document afterwards, and what the browser had to say about it."""
    chromium = program("chromium", "chromium")
    profiles = tmp_path_factory.mktemp("profiles")

    def run(page: Path, *, size: str = "desktop", look: str = "light") -> tuple[str, list[str]]:
        profile = profiles / f"{len(list(profiles.iterdir()))}"
        command = [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--disable-dev-shm-usage", "--no-first-run", "--disable-component-update", "--disable-sync"),
            *("--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=20000"),
            f"--user-data-dir={profile}",
            f"--window-size={SIZES[size]}",
            f"--blink-settings=preferredColorScheme={LOOKS[look]}",
            *("--dump-dom", page.as_uri()),
        ]
        environment = {**os.environ, "HOME": str(profile)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, encoding="utf-8")
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]

    return run


@pytest.mark.parametrize("name", ["verdict-full", "batch", "batch-rehearsed"])
def test_the_browser_has_nothing_to_say_against_a_page(
    pages: dict[str, Path], browse: Callable[..., tuple[str, list[str]]], name: str
) -> None:
    document, said = browse(pages[name])
    assert said == []
    assert "</footer>" in document


def test_the_policy_of_a_page_keeps_what_is_put_into_it_from_running(
    pages: dict[str, Path], browse: Callable[..., tuple[str, list[str]]], tmp_path: Path
) -> None:
    """The guard behind the guard: markup in the page, had it got there, would do nothing."""
    bad = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"><p style='color:red'>x</p>"
    page = tmp_path / "bad.html"
    page.write_text(pages["batch"].read_text("utf-8").replace("<main>", "<main>" + bad), "utf-8")
    document, said = browse(page)
    assert "<title>run</title>" not in document
    assert len(said) >= 3


_RUN = """
<script>%s</script>
<script>
axe.run(document, {resultTypes: ["violations"]}).then(function (found) {
  var text = JSON.stringify({
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    rules: found.violations.map(function (one) {
      return {id: one.id, help: one.help, nodes: one.nodes.slice(0, 3).map(function (n) { return n.html.slice(0, 200); })};
    }),
    passes: found.passes.length,
  });
  document.body.innerHTML = "";
  var held = document.createElement("pre");
  held.id = "found";
  held.textContent = text;
  document.body.appendChild(held);
});
</script>
</body>"""


def violations(
    browse: Callable[..., tuple[str, list[str]]], source: Path, copy: Path, size: str, look: str
) -> dict[str, Any]:
    """What axe says of a page with everything unfolded, and without the policy, which would not let it run."""
    axe = tool("axe-core/axe.min.js").read_text("utf-8").replace("</script", "<\\/script")
    text, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source.read_text("utf-8"))
    assert removed == 1
    copy.write_text(text.replace("<details", "<details open").replace("</body>", _RUN % axe), "utf-8")
    document, _ = browse(copy, size=size, look=look)
    held = re.search(r'<pre id="found">(.*?)</pre>', document, re.DOTALL)
    assert held is not None, document[-2000:]
    found: dict[str, Any] = json.loads(html.unescape(held[1]))
    return found


WHOLE = ("verdict-full", "batch", "batch-rehearsed")
WAYS = [(name, size, look) for name in WHOLE for size in SIZES for look in LOOKS]
WAYS += [("verdict-author-ambiguous", "phone", "dark"), ("batch-empty", "phone", "dark")]


@pytest.mark.parametrize(("name", "size", "look"), WAYS)
def test_axe_finds_nothing_against_a_page(
    pages: dict[str, Path],
    browse: Callable[..., tuple[str, list[str]]],
    tmp_path: Path,
    name: str,
    size: str,
    look: str,
) -> None:
    found = violations(browse, pages[name], tmp_path / "page.html", size, look)
    assert found["rules"] == []
    assert found["passes"] > 10
    assert found["wide"] <= 0  # nothing sticks out


def test_axe_would_find_what_is_wrong(
    pages: dict[str, Path], browse: Callable[..., tuple[str, list[str]]], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.html"
    text = pages["batch"].read_text("utf-8").replace('lang="en"', "")
    bad.write_text(text.replace("<main>", '<main><img src="x">', 1), "utf-8")
    found = violations(browse, bad, tmp_path / "page.html", "desktop", "light")
    assert {"image-alt", "html-has-lang"} <= {one["id"] for one in found["rules"]}
