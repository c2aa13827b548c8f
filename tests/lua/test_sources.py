"""What holds for the texts of all scripts."""

import re

import pytest

from tests.lua.binding import SCRIPTS

FIRST_LINE = {
    "cancel": "#!lua flags=allow-oom",
    "claim": "#!lua flags=allow-oom",
    "configure": "#!lua flags=allow-oom",
    "enqueue": "#!lua",
    "extend": "#!lua flags=allow-oom",
    "join": "#!lua flags=allow-oom",
    "look": "#!lua flags=no-writes",
    "pass": "#!lua flags=allow-oom",
    "purge": "#!lua flags=allow-oom",
    "requeue": "#!lua",
    "settle": "#!lua flags=allow-oom",
}


def function(script: str, name: str) -> str | None:
    found = re.search(rf"^local function {name}\(.*?^end$", SCRIPTS[script], re.DOTALL | re.MULTILINE)
    return found and found.group()


def test_first_lines() -> None:
    assert {name: text.partition("\n")[0] for name, text in SCRIPTS.items()} == FIRST_LINE


def test_pass_is_enqueue_under_another_first_line() -> None:
    assert SCRIPTS["pass"].partition("\n")[2] == SCRIPTS["enqueue"].partition("\n")[2]


@pytest.mark.parametrize(("name", "users"), [("number", 9), ("parse", 3), ("write", 3)])
def test_helpers_are_the_same_text_everywhere(name: str, users: int) -> None:
    texts = [text for script in SCRIPTS if (text := function(script, name))]
    assert (len(texts), len(set(texts))) == (users, 1)


def test_numbers_are_printed_the_same_way_everywhere() -> None:
    found = [re.findall(r"^-- %d is.*\n^local DIGITS = .*$", text, re.MULTILINE) for text in SCRIPTS.values()]
    texts = [text for each in found for text in each]
    assert (len(texts), len(set(texts))) == (5, 1)


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_script_names_a_key_that_it_was_not_given(script: str) -> None:
    calls = re.findall(r"redis\.p?call\('[A-Z]+', ([^,)]+)", SCRIPTS[script])
    assert [key for key in calls if not re.match(r"[A-Z]+$|KEYS\[|unpack\(KEYS|told\[|set$|hash$|PREFIX", key)] == []
