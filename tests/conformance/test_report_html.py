"""The page: what it says, that nothing in a job is obeyed, and how it works in a browser."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from jobwire_conformance.model import Status, requirements
from jobwire_conformance.report.html import page
from jobwire_conformance.report.html.markup import tag
from jobwire_conformance.report.merge import merge

from .browser import browsing, coloured, requested, sized
from .report_samples import HOSTILE, cases, header, interop, passed, written

# One browser serves all tests of this file.
pytestmark = pytest.mark.xdist_group("browser")

LONG = "x" * 3000


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of one run, of several, and of a run that was broken off."""
    folder = tmp_path_factory.mktemp("pages")
    long = passed("worker/long", "RUN-1", says=LONG, status=Status.FAIL, reason=LONG, stderr=LONG, steps=(LONG,))
    one = written(folder / "one.ndjson", header(), [*cases(), long])
    every = [passed(f"worker/each/{name.lower()}", name) for name in requirements()]
    two = written(folder / "two.ndjson", header("jobwire-py", filters={"cases": ["worker/*"]}), every)
    names = ("jobwire-go", "jobwire-py", "jobwire-rust")
    pairs = [
        interop(
            producer, worker, encoding, Status.FAIL if encoding == "msgpack" and worker == names[1] else Status.PASS
        )
        for producer in names
        for worker in names[:2]
        for encoding in ("json", "msgpack")
        if (producer, worker) != (names[2], names[0])
    ]
    three = written(folder / "three.ndjson", header("pairs"), pairs)
    cut = written(folder / "cut.ndjson", header(HOSTILE), [passed("a", "ENC-1")], end=False)
    for name, reports in (("one", [one]), ("several", [one, two, three]), ("cut", [cut])):
        (folder / f"{name}.html").write_text(page(merge(reports)), encoding="utf-8")
    return folder


class Outline(HTMLParser):
    """Collects what a page holds, and whether all is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, name: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((name, dict(attributes)))
        if name not in ("meta", "link", "input", "br"):
            self.open.append(name)

    def handle_endtag(self, name: str) -> None:
        assert name == self.open.pop()

    def values(self, attribute: str) -> list[str]:
        return [found for _, attributes in self.elements if (found := attributes.get(attribute))]


PAGES = ("one", "several", "cut")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_inside_has_a_target(name: str, pages: Path) -> None:
    outline = Outline((pages / f"{name}.html").read_text())
    inside = {href[1:] for href in outline.values("href") if href.startswith("#")}
    assert inside
    assert set() == inside - set(outline.values("id"))
    assert [] == outline.open


@pytest.mark.parametrize("name", PAGES)
def test_no_anchor_stands_twice(name: str, pages: Path) -> None:
    found = Outline((pages / f"{name}.html").read_text()).values("id")
    assert len(found) == len(set(found))


@pytest.mark.parametrize("name", PAGES)
def test_it_needs_nothing_from_elsewhere(name: str, pages: Path) -> None:
    outline = Outline((pages / f"{name}.html").read_text())
    assert [] == outline.values("src")
    assert {"data:,"} == {attributes["href"] for element, attributes in outline.elements if element == "link"}
    assert [] == outline.values("style")


def test_nothing_in_a_job_is_html(pages: Path) -> None:
    text = (pages / "one.html").read_text()
    elements = [element for element, _ in Outline(text).elements]
    assert (1, 0) == (elements.count("script"), elements.count("img"))
    assert "&lt;/script&gt;&lt;script&gt;" in text
    assert not set("\x1b\u202e") & set(text)


def test_a_run_that_was_broken_off_says_so(pages: Path) -> None:
    text = (pages / "cut.html").read_text()
    assert "broken off</span>" in text
    assert "no footer: the run was broken off" in text


def test_a_case_has_all_that_shows_why(pages: Path) -> None:
    text = (pages / "one.html").read_text()
    case = text[text.index('id="i0-worker.run.settles-after-handler"') :]
    case = case[: case.index('<details class="case')]
    for expected in (
        "RUN-8</a> MUST",
        "A worker MUST settle <code>retry</code>",
        "<dt>expected</dt><dd><code>log end, then settle</code></dd>",
        "jobwire-conformance run jobwire.toml --case worker/run/settles-after-handler --verbose",
        "What held (1)",
        "until: {job: j, state: finished}",
        "claim {default} nnnnnnnnnnnnnnnn 15000 1 1",
        "\\x87\\xa7jobwire\\xa31.0",
        "handler start id=j",
        "Traceback:\n",
    ):
        assert expected in case


@pytest.mark.parametrize(
    ("expected", "built"),
    [
        ("<p>a &lt; b &amp; c</p>", tag("p", "a < b & c")),
        ('<a href="&quot;&gt;&lt;x">1</a>', tag("a", 1, href='"><x')),
        ("<ul><li>a</li><li>&lt;</li></ul>", tag("ul", [tag("li", one) for one in "a<"], None)),
        ('<input type="x" hidden>', tag("input", type="x", hidden=True, open=False, name_=None)),
        ('<td class="a" data-x="\\x1b">\\u202e\n</td>', tag("td", "\u202e\n", class_="a", data_x="\x1b")),
    ],
)
def test_elements_escape_what_they_hold(expected: str, built: str) -> None:
    assert expected == built


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with browsing(tmp_path_factory.mktemp("profile")) as chrome:
        yield chrome


@pytest.fixture
def browser(chrome: webdriver.Chrome, pages: Path) -> webdriver.Chrome:
    sized(chrome, 1200)
    coloured(chrome, "light")
    chrome.get("about:blank")
    requested(chrome)
    chrome.get_log("browser")
    chrome.get((pages / "several.html").as_uri())
    return chrome


# In the page, as each question from outside takes its time.
ROWS = """
return [...document.querySelectorAll(arguments[0])].map((row) => ({
  name: row.querySelector("th a, .name").textContent,
  shown: row.checkVisibility(),
  statuses: row.dataset.status.split(" "),
  roles: row.dataset.role.split(" "),
}));
"""


def rows(browser: webdriver.Chrome, selector: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.execute_script(ROWS, selector)
    return found


def shown(browser: webdriver.Chrome, selector: str) -> list[str]:
    return [row["name"] for row in rows(browser, selector) if row["shown"]]


def check(browser: webdriver.Chrome, *statuses: str) -> None:
    for status in statuses:
        browser.find_element(By.CSS_SELECTOR, f"#filters input[value='{status}']").click()


REQUIREMENTS, CASES = "tr.row", ".case.row"


def test_nothing_is_asked_of_the_network_and_nothing_is_complained_of(browser: webdriver.Chrome, pages: Path) -> None:
    asked = requested(browser)
    assert [(pages / "several.html").as_uri()] == [one for one in asked if not one.startswith("data:")]
    assert [] == browser.get_log("browser")
    assert "Jobwire conformance" in browser.title


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
@pytest.mark.parametrize("name", PAGES)
def test_no_screen_has_to_scroll_sideways(name: str, width: int, browser: webdriver.Chrome, pages: Path) -> None:
    sized(browser, width)
    browser.get((pages / f"{name}.html").as_uri())
    browser.execute_script("for (const each of document.querySelectorAll('details')) each.open = true")
    assert width >= browser.execute_script("return document.documentElement.scrollWidth")


def test_all_rows_are_shown_at_first(browser: webdriver.Chrome) -> None:
    assert list(requirements()) == shown(browser, REQUIREMENTS)


@pytest.mark.parametrize("statuses", [("fail",), ("warn", "slow"), ("not-run", "not-applicable"), ("error", "stale")])
def test_statuses_choose_rows(statuses: tuple[str, ...], browser: webdriver.Chrome) -> None:
    check(browser, *statuses)
    for selector in (REQUIREMENTS, CASES):
        wanted = [row["name"] for row in rows(browser, selector) if set(statuses) & set(row["statuses"])]
        assert wanted == shown(browser, selector)
        assert wanted


def test_a_role_chooses_rows(browser: webdriver.Chrome) -> None:
    Select(browser.find_element(By.ID, "role")).select_by_value("codec")
    assert ["codec/json/minimal"] == shown(browser, CASES)
    wanted = [row["name"] for row in rows(browser, REQUIREMENTS) if "codec" in row["roles"]]
    assert ["ENC-1"] == wanted == shown(browser, REQUIREMENTS)


def test_words_choose_rows(browser: webdriver.Chrome) -> None:
    browser.find_element(By.ID, "text").send_keys("RUN-8 worker/run")
    assert ["RUN-8"] == shown(browser, REQUIREMENTS)
    assert ["worker/run/settles-after-handler"] == shown(browser, CASES)
    assert "1 requirements, 1 cases" == browser.find_element(By.ID, "shown").text


def test_a_link_reveals_what_a_filter_hides(browser: webdriver.Chrome) -> None:
    check(browser, "warn")
    browser.execute_script("location.hash = 'i0-codec.json.minimal'")
    assert browser.find_element(By.ID, "i0-codec.json.minimal").is_displayed()


def test_a_link_unfolds_its_case(browser: webdriver.Chrome) -> None:
    body = browser.find_element(By.ID, "i0-worker.stop.grace")
    assert not body.is_displayed()
    browser.find_element(By.CSS_SELECTOR, "a.chip[href='#i0-worker.stop.grace']").click()
    assert body.is_displayed()
    assert re.search("7000 ms", body.text)


def test_it_is_read_without_scripts(browser: webdriver.Chrome, pages: Path) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get((pages / "one.html").as_uri())
        assert not browser.find_element(By.ID, "filters").is_displayed()
        assert browser.find_element(By.ID, "r-RUN-8").is_displayed()
        assert browser.find_element(By.ID, "i0-worker.run.settles-after-handler").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_who_goes_with_whom_is_a_table(browser: webdriver.Chrome) -> None:
    lines = browser.find_elements(By.CSS_SELECTOR, "#together tbody tr")
    cells = [[cell.text.split("\n") for cell in line.find_elements(By.CSS_SELECTOR, "th, td")] for line in lines]
    assert [["jobwire-go"], ["jobwire-py"], ["jobwire-rust"]] == [row[0] for row in cells]
    assert "✓ 1/1" in " ".join(cells[0][1])
    assert "✗ 0/1" in " ".join(cells[0][2])
    assert ["○ not run"] == cells[2][1]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(name: str, scheme: str, browser: webdriver.Chrome, pages: Path) -> None:
    coloured(browser, scheme)
    browser.get((pages / f"{name}.html").as_uri())
    faint = browser.execute_script(CONTRAST)
    assert [] == faint


# Every text against the ground that it stands on, by the formula of WCAG 2; 4.5 is what that asks of normal text.
CONTRAST = """
const luminance = (colour) => {
  const [red, green, blue] = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const colour = getComputedStyle(each).backgroundColor;
    if (!/, 0\\)$/.test(colour)) return colour;
  }
  return "rgb(255, 255, 255)";
};
const faint = new Set();
for (const element of document.querySelectorAll("body *")) {
  const texts = [...element.childNodes].filter((node) => node.nodeType === 3 && node.data.trim());
  if (!texts.length || !element.checkVisibility()) continue;
  const [one, two] = [getComputedStyle(element).color, ground(element)];
  const [high, low] = [luminance(one), luminance(two)].sort((a, b) => b - a);
  if ((high + 0.05) / (low + 0.05) < 4.5) faint.add(`${element.tagName}.${element.className}: ${one} on ${two}`);
}
return [...faint];
"""
