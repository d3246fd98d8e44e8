#!/usr/bin/env python3
"""Uses the dashboard of `stele serve` as people do, in Debian's Chromium.

    pip install --require-hashes -r scripts/browser_requirements.txt
    scripts/browser.py PATH/TO/stele PATH/TO/xtask [SCREENSHOTS]

Makes up recordings and documents, starts an ingest on the page, watches it move, cancels, pauses and
resumes; then looks at every page for what has to stand there, with a mouse, with nothing but keys, and without
JavaScript. Every page is also held against scripts/browser_page.js (names, contrast, overflow) on a desktop
and on a phone, light and dark; SCREENSHOTS keeps what was seen. The browser may ask nobody but the
service, and its console has to stay empty. Ends with 1 at the first thing that is not as it should be.
"""

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from serving import service

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("STELE_TEST_CHROMIUM") or shutil.which("chromium")

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES = ["light", "dark"]

# What a loaded machine may take for a job of this size, in seconds.
JOB_SECONDS_MAX = 240

# A page of a service that has nothing to do.
PAGE_SECONDS_MAX = 30

GUIDE = """# Crane control

Operators start a lift with `crane lift`.

## Lifting

1. Start it at the quay:

   ```sh
   crane lift --load 40
   ```

2. Wait for the `auctionState` event.

| option | meaning |
|---|---|
| `--load` | tonnes on the hook |
| `--slow` | half the speed |

See [stopping](#stopping) if it fails with `ERR_OVERLOAD`.

## Stopping

```sh
crane stop
```

It lowers the load and sets `crane.brake` to `on`.
"""

# Name, address, what has to stand there. `{…}` is filled in from what is known of the sample.
PAGES = [
    ("overview", "/", ["Records", "every byte accounted for", "Read in the last 24 hours", "auctionState"]),
    ("jobs", "/jobs", ["Queue", "harbour", "done", "Start an ingest"]),
    ("job", "/jobs/{job}", ["harbour", "What happened", "reporting"]),
    ("report", "/jobs/{job}/report", ["Report of harbour", "Stages", "parsing", "inputs"]),
    ("sources", "/sources", ["shop", "records", "away", "the last run failed", "50 requests in 60.0 s", "Live captures"]),
    ("coverage", "/coverage", ["Every byte is accounted for", "auctionState", "mixed_raw.jsonl"]),
    ("proof", "/coverage?recount=true", ["Counted again: everything that was read is here", "equal"]),
    ("event", "/coverage/event?name=auctionState", ["Fields", "data.price", "Records"]),
    ("field", "/coverage/field?event=auctionState&path=data.price", ["Held by", "First seen", "number"]),
    ("drift", "/coverage/drift?from=0", ["Drift between versions", "auctionState"]),
    ("excerpt", "/excerpt?source=mixed_raw.jsonl&line={bad_line}", ["mixed_raw.jsonl:{bad_line}", "rejected"]),
    ("search", "/search?query=price+of+an+auction", ["Confidence", "price", ".jsonl:"]),
    ("search-nothing", "/search?query=zzqx9&arm=text", ["Nothing was found"]),
    ("graph", "/graph?name=crane&depth=2", ["crane", "edges", "guide.md"]),
    ("graph-empty", "/graph", ["What there is"]),
    ("graph-unknown", "/graph?name=nobody+knows", ["Nothing in the graph has that name", "Try:"]),
    ("sql", "/sql?query=SELECT+event_type,+sum(records)::BIGINT+AS+records+FROM+event_counts+GROUP+BY+1+ORDER+BY+2+DESC",
     ["auctionState", "rows"]),
    ("sql-wrong", "/sql?query=SELEC+1", ["The query makes no sense"]),
    ("quarantine", "/quarantine", ["damaged lines", "mixed_raw.jsonl", "Bytes"]),
    ("api", "/docs", ["/api/search", "Argument"]),
    ("not-there", "/nothing", ["nothing at this address"]),
]

# The same with nothing ingested yet.
EMPTY = [
    ("overview", "/", ["Nothing has been ingested yet", "Start an ingest"]),
    ("jobs", "/jobs", ["There are none", "Allowed is what lies below"]),
    ("sources", "/sources", ["shop", "never collected", "There are none", "This service runs none"]),
    ("coverage", "/coverage", ["Try:"]),
    ("search", "/search?query=price", ["Try:"]),
    ("graph", "/graph?name=price", ["Try:"]),
    ("sql", "/sql", ["Run"]),
    ("quarantine", "/quarantine", ["Try:"]),
]


def check(holds, what):
    if not holds:
        raise SystemExit(f"browser: {what}")


def done(what):
    print(f"ok  {what}", flush=True)


def recordings(xtask, directory):
    """Recordings with damage, larger ones that take their time, and a document."""
    for name, seed, size, more in (("small", 7, "400KB", ["--damage"]), ("large", 8, "6MB", [])):
        subprocess.run(
            [xtask, "demo-data", "--out", directory / name, "--seed", str(seed), "--size", size, *more],
            check=True, stdout=subprocess.DEVNULL)
    (directory / "small" / "recordings" / "guide.md").write_text(GUIDE)
    # A line that is text in no encoding.
    (directory / "small" / "recordings" / "torn_raw.jsonl").write_bytes(
        b'{"event":"tide","data":{"level":3}}\n{"event":"tide","data":{"level":\xff\xfe\x00}}\n')
    (directory / "docs").mkdir()
    (directory / "docs" / "other.md").write_text("# Pilots\n\nA pilot boards with `pilot board`.\n")


def configured(directory):
    """A database of orders and a service that is away, as sources."""
    with contextlib.closing(sqlite3.connect(directory / "shop.db")) as shop, shop:
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, what TEXT)")
        shop.executemany("INSERT INTO orders (what) VALUES (?)", [("tea",), ("rope",), ("an oar",)])
    config = directory / "stele.toml"
    config.write_text(f"""
[[sources]]
source_id = "shop"
source_type = "database"
connection_string = "sqlite:{directory}/shop.db"
query = "SELECT * FROM orders"
key = ["id"]

[[sources]]
source_id = "away"
source_type = "api"
priority = 2
endpoint = "http://127.0.0.1:9/articles"
retry = {{ max = 1 }}
rate_limit = 50
""")
    return config


class Browser:
    """Windows of Chromium that note what they should not do: ask others, complain, fail."""

    def __init__(self, chromium, url, screenshots):
        self.chromium, self.url, self.screenshots = chromium, url, screenshots
        self.wrong, self.found = [], []
        self.audit = (HERE / "browser_page.js").read_text()

    @contextmanager
    def window(self, size="desktop", scheme="light", javascript=True, complaints=True):
        width, height = SIZES[size]
        context = self.chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=javascript,
            base_url=self.url, is_mobile=size == "phone", has_touch=size == "phone", reduced_motion="reduce")
        context.set_default_timeout(PAGE_SECONDS_MAX * 1000)
        context.on("request", self.asked)
        if complaints:
            context.on("console", self.said)
            context.on("weberror", lambda error: self.wrong.append(f"a script failed: {error.error}"))
        page = context.new_page()
        try:
            yield page
        except BaseException:
            if self.screenshots:
                page.screenshot(path=self.screenshots / "failed.png", full_page=True)
            print(f"at {page.url}", file=sys.stderr)
            raise
        finally:
            context.close()
        check(not self.wrong, "; ".join(self.wrong))

    def asked(self, request):
        if not request.url.startswith((self.url + "/", "data:")):
            self.wrong.append(f"the page asks somebody else: {request.url}")

    def said(self, message):
        # A page about what is not there is answered with 404, which the console tells as well.
        is_told = "Failed to load resource" in message.text and message.location["url"] == message.page.url
        if message.type in ("error", "warning") and not is_told:
            self.wrong.append(f"the console says: {message.text} ({message.location['url']})")

    def look(self, page, name, size, scheme):
        """Holds a page against the rules, and keeps what it looks like."""
        found = page.evaluate(self.audit)
        if self.screenshots:
            page.screenshot(path=self.screenshots / f"{name}-{size}-{scheme}.png", full_page=True)
        self.found += [f"{name} on a {size}, {scheme}: {one}" for one in found]


def shows(page, expect, where):
    text = page.locator("body").inner_text()
    for one in expect:
        check(one.lower() in text.lower(), f"{where} does not say “{one}”:\n{text[:3000]}")


def tour(browser, pages, prefix, known):
    """Every page in every size and colour."""
    for size in SIZES:
        for scheme in SCHEMES:
            with browser.window(size, scheme) as page:
                for name, address, expect in pages:
                    page.goto(address.format(**known))
                    shows(page, [text.format(**known) for text in expect], name)
                    browser.look(page, prefix + name, size, scheme)
    # All of it at once, so that it can be mended at once.
    check(not browser.found, "\n  ".join(["pages are not as they should be:", *browser.found]))


def percent(page):
    return float(page.locator("[data-percent]").get_attribute("value") or 0)


def state_of(page, job):
    return page.request.get(f"/api/jobs/{job}").json()


def wait_for(what, holds, seconds=JOB_SECONDS_MAX):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := holds():
            return found
        time.sleep(0.1)
    raise SystemExit(f"browser: {what} did not happen within {seconds} s")


def start(page, target, tag):
    """Starts an ingest as one would, and gives the job."""
    page.goto("/jobs")
    # Where there is no job yet, it is open.
    if not page.get_by_label("Files or directories").is_visible():
        page.get_by_text("Start an ingest").click()
    page.get_by_label("Files or directories").fill(str(target))
    page.get_by_label("Tag").fill(tag)
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_url(re.compile("/jobs/j[0-9a-f]+$"))
    return page.url.rsplit("/", 1)[1]


def ingests(browser, directory, expected):
    """An ingest that is watched, one that is cancelled, one that is held and let go."""
    with browser.window() as page:
        page.goto("/")
        page.get_by_role("link", name="Start an ingest").click()
        page.get_by_label("Files or directories").fill("/etc/passwd")
        page.get_by_role("button", name="Start", exact=True).click()
        shows(page, ["outside the directories", "Try:"], "a path that is not allowed")
        job = start(page, directory / "in/small/recordings", "harbour")
        loads = []
        page.on("load", lambda _: loads.append(page.url))
        seen = set()

        def ended():
            seen.add(percent(page))
            return page.locator(".heading .tag", has_text="done").count()

        wait_for("the end of the ingest on its page", ended)
        check(len(seen) >= 3 and max(seen) == 100, f"progress that was seen: {sorted(seen)}")
        check(not loads, f"the page was loaded again to show that: {loads}")
        check(page.locator("[data-log] li").count() >= 5, "nothing is told of what happened")
        page.goto("/coverage")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="auctionState", exact=True))
        shown = row.get_by_role("cell").nth(1).inner_text()
        check(shown == str(expected["events"]["auctionState"]), f"{shown} records of auctionState are shown")
    done(f"an ingest is started on the page and seen at {len(seen)} states of progress, to its end")

    with browser.window() as page:
        large = start(page, directory / "in/large/recordings", "large")
        wait_for("work on the large one", lambda: page.locator(".stages .now").count())
        for size in SIZES:
            for scheme in SCHEMES:
                with browser.window(size, scheme) as other:
                    other.goto(f"/jobs/{large}")
                    browser.look(other, "job-running", size, scheme)
        waiting = start(page, directory / "in/docs", "pilots")
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Resume").wait_for()
        check(state_of(page, waiting)["paused"] is True, "the job is not paused")
        page.goto(f"/jobs/{large}")
        asked = []
        # The first time one thinks better of it.
        page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
        page.get_by_role("button", name="Cancel").click()
        check(asked, "cancelling is not asked about")
        check(not state_of(page, large).get("cancelling"), "a job is cancelled though that was declined")
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Cancel").click()
        page.locator(".heading").get_by_text("cancelled", exact=True).wait_for(timeout=JOB_SECONDS_MAX * 1000)
        shows(page, ["Retry"], "a cancelled job")
        check(state_of(page, waiting)["state"] == "queued", "a paused job went on")
        page.goto(f"/jobs/{waiting}")
        page.get_by_role("button", name="Resume").click()
        page.locator(".heading .tag", has_text="done").wait_for(timeout=JOB_SECONDS_MAX * 1000)
    done("one that runs is cancelled, after a question; one that waits is paused and resumed")
    return job


def collects(browser):
    """A source is tried, collected and seen; one that is away says so."""
    with browser.window() as page:
        for source, state, says in (("shop", "done", "It can be collected"), ("away", "dead", "It cannot be collected")):
            page.goto("/sources")
            page.get_by_role("button", name=f"Check {source}").click()
            page.get_by_role("link", name="All sources").wait_for()
            shows(page, [says], f"the check of {source}")
            page.goto("/sources")
            page.get_by_role("button", name=f"Collect {source}").click()
            page.wait_for_url(re.compile("/jobs/j[0-9a-f]+$"))
            job = page.url.rsplit("/", 1)[1]
            wait_for(f"the end of {source}", lambda: state_of(page, job)["state"] == state)
            page.goto(f"/jobs/{job}")
            shows(page, ["Source", source], f"the job of {source}")
    done("a source is tried, collected and seen, and one that is away is told")


def first_damaged(browser):
    """A line that was rejected, as the page of quarantine names it."""
    with browser.window() as page:
        page.goto("/quarantine?source=mixed_raw.jsonl")
        return page.locator(".damaged a.place").first.inner_text().rsplit(":", 1)[1]


def follow(browser, known):
    """From events to fields to values to the line, from a search to its place, a thing to its neighbours."""
    with browser.window() as page:
        page.goto("/coverage")
        page.get_by_role("link", name="auctionState", exact=True).click()
        page.get_by_role("link", name="data.price", exact=True).click()
        shows(page, ["Held by"], "the field")
        place = page.locator("dd a.place").first
        name, line = place.inner_text().rsplit(":", 1)
        place.click()
        here = page.locator("li.here")
        check(here.locator(".no").inner_text() == line, f"{name}:{line} is not marked")
        check("auctionState" in here.inner_text(), f"{name}:{line} is another line")
        done("coverage leads from the event to the field to the line that was recorded")

        page.goto("/")
        page.get_by_role("searchbox").first.fill("crane lift")
        page.keyboard.press("Enter")
        hit = page.locator(".hit", has_text="Operators start").first
        hit.wait_for()
        check(hit.locator("mark").count(), "nothing is marked in the result")
        hit.locator("a.place").first.click()
        page.locator("li.here", has_text="crane lift").wait_for()
        done("a search leads to the line that it rests on")

        page.goto("/graph")
        page.get_by_role("link", name="crane", exact=True).click()
        page.wait_for_load_state()
        drawn = page.locator("img.picture").evaluate("image => image.complete && image.naturalWidth > 100")
        check(drawn, "the picture is not drawn")
        page.goto("/graph?name=crane&depth=2")
        page.get_by_role("link", name="--load", exact=True).first.click()
        page.locator("h2", has_text="--load").wait_for()
        page.get_by_role("link", name="Lifting", exact=True).first.click()
        page.locator("h2", has_text="Lifting").wait_for()
        check(page.get_by_role("link", name="crane", exact=True).count(), "the section does not lead back")
        with browser.window("phone") as phone:
            phone.goto("/graph?name=crane&depth=2")
            left, rest = phone.locator(".frame").evaluate("frame => [frame.scrollLeft, frame.scrollWidth - frame.clientWidth]")
            check(rest > 0 and abs(left - rest / 2) < 2, f"on a phone the picture is at {left} of {rest}")
        done("the graph is walked from a kind to a command, its option and the section that says so")

        page.goto("/sql")
        page.get_by_label("One statement").fill("SELECT 40 + 2 AS answer")
        page.keyboard.press("Control+Enter")
        page.get_by_role("cell", name="42").wait_for()
        page.get_by_label("One statement").fill("DROP VIEW events")
        page.get_by_role("button", name="Run").click()
        page.get_by_role("alert").wait_for()
        check(page.get_by_label("One statement").input_value() == "DROP VIEW events", "what was typed is gone")
        done("SQL is asked with Ctrl-Enter, and refuses to write")

        page.goto("/quarantine?source=torn_raw.jsonl")
        dump = page.locator(".dump").first.inner_text()
        check("ff fe 00" in dump, f"the bytes are not shown: {dump}")
        page.goto("/quarantine")
        shows(page, [f"{known['bad_lines']} damaged lines"], "quarantine")
        done("damaged lines are counted, and their bytes visible")


def by_keys(browser, directory):
    """Everything with nothing but a keyboard."""
    focused = "document.activeElement.matches('{}')"
    with browser.window() as page:
        page.goto("/")
        page.keyboard.press("Tab")
        check(page.evaluate(focused.format(".skip")), "the first stop is not the link to the content")
        check(page.locator(".skip").bounding_box()["x"] >= 0, "the link to the content is not seen")
        page.keyboard.press("Enter")
        page.keyboard.press("?")
        check(page.locator("dialog#keys").is_visible(), "? does not tell the keys")
        page.keyboard.press("Escape")
        check(not page.locator("dialog#keys").is_visible(), "Esc does not close them")
        for key, path in zip("jrcsgxqao", ["/jobs", "/sources", "/coverage", "/search", "/graph", "/sql", "/quarantine", "/docs", "/"]):
            # Some pages begin in their field, where letters are letters.
            page.evaluate("document.activeElement.blur()")
            page.keyboard.press("g")
            page.keyboard.press(key)
            page.wait_for_url(f"{browser.url}{path}")
        page.keyboard.press("/")
        page.keyboard.type("pilot board")
        page.keyboard.press("Enter")
        page.locator(".hit").first.wait_for()
        page.goto("/jobs")
        tabs = 0
        while not page.evaluate(focused.format("summary")):
            page.keyboard.press("Tab")
            tabs += 1
            check(tabs < 40, "no Tab leads to the form that starts an ingest")
        ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        check(ring != "none", "what has the focus is not seen")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type(str(directory / "in/docs"))
        page.keyboard.press("Tab")
        page.keyboard.type("by-keys")
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/jobs/j[0-9a-f]+$"))
        shows(page, ["by-keys"], "the job that keys started")
    done("keys alone go everywhere, search, and start an ingest")


def without_javascript(browser, directory, known):
    """Pages are whole, and forms work."""
    with browser.window(javascript=False) as page:
        for name, address, expect in PAGES:
            page.goto(address.format(**known))
            shows(page, [text.format(**known) for text in expect], f"{name} without JavaScript")
        page.goto("/jobs")
        check(page.locator("noscript meta[http-equiv=refresh]").count() or "refresh" in page.content(),
              "the page does not come again by itself")
        job = start(page, directory / "in/docs/other.md", "plain")
        shows(page, ["What happened"], "a job without JavaScript")
        job = page.url.rsplit("/", 1)[1]
        wait_for("the end of a job", lambda: state_of(page, job)["state"] in ("done", "cancelled"))
    done("without JavaScript every page says the same, and a form starts an ingest")


def main():
    stele, xtask = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    screenshots = Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    check(CHROMIUM, "there is no chromium; `scripts/setup.sh test` installs it")
    if screenshots:
        shutil.rmtree(screenshots, ignore_errors=True)
        screenshots.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        directory = Path(scratch)
        (directory / "in").mkdir()
        recordings(xtask, directory / "in")
        # Root cannot have a sandbox, as in most containers; only our own pages are opened.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"] if os.getuid() == 0 else [])
        with service(stele, directory, "--config", configured(directory)) as (url, _):
            browser = Browser(chromium, url, screenshots)
            tour(browser, EMPTY, "empty-", {})
            done("with nothing ingested, every page says what to do")
            expected = json.loads((directory / "in/small/expected.json").read_text())
            known = {"job": ingests(browser, directory, expected)}
            # The generator's lines, and the torn one.
            known["bad_lines"] = expected["quarantined"] + 1
            known["bad_line"] = first_damaged(browser)
            follow(browser, known)
            by_keys(browser, directory)
            collects(browser)
            without_javascript(browser, directory, known)
            tour(browser, PAGES, "", known)
            done(f"{len(PAGES)} pages hold on desktop and phone, light and dark")
        chromium.close()
    print("the dashboard does in a browser what it should")


if __name__ == "__main__":
    main()
