"""SPEC.md, lua/ and scripts.json say the same of keys, arguments, replies, errors and commands."""

import hashlib
import json
import re
from typing import Any

import pytest

from tests.schemas.documents import SCHEMAS
from tests.spec.text import ROOT, SPEC, blocks, code_words, section, table

SCRIPTS: dict[str, dict[str, Any]] = {
    each["name"]: each for each in json.loads((ROOT / "lua/scripts.json").read_bytes())
}
TEXTS = {path.stem: path.read_text() for path in sorted(ROOT.glob("lua/*.lua"))}
CALLS = {code_words(row["script"])[0]: row for part in ("7.2", "Appendix A") for row in table(section(part), "ARGV")}
CLIENT = {
    "evalsha", "script|load", "blpop", "ssubscribe", "sunsubscribe", "ping", "hello", "auth",
    "client|setname", "wait",
    "cluster|slots", "cluster|shards", "cluster|nodes", "asking", "readonly",
}  # fmt: skip


def names(text: str) -> list[str]:
    """Read a list of arguments: what stands in parentheses and after `or` is about values."""
    text = re.sub(r"\(.*?\)| or \"\"|then ", "", text)
    return [part.strip() for part in re.split(r"[,:]", text) if part.strip()]


def test_the_scripts_are_those_on_disk() -> None:
    assert sorted(SCRIPTS) == sorted(TEXTS) == sorted(CALLS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_digest(name: str) -> None:
    sha1 = hashlib.sha1((ROOT / "lua" / SCRIPTS[name]["file"]).read_bytes()).hexdigest()
    assert SCRIPTS[name]["sha1"] == sha1
    assert f"| `{name}` | {' '.join(SCRIPTS[name]['flags']) or '–'} | `{sha1}` |" in section("Appendix B").splitlines()


@pytest.mark.parametrize("name", SCRIPTS)
def test_keys(name: str) -> None:
    rows = table(section("7.1"), "KEYS")
    (adding,) = re.findall(r"([^.]*) add `result:<id>` for each id", section("7.2"))
    wanted = [code_words(row["key"])[0] for row in rows if row["KEYS"].isdigit()]
    if name == "join":
        wanted = ["join:<group>"]
    if name in code_words(adding):
        wanted.append("result:<id>")
    assert SCRIPTS[name]["keys"] == wanted


@pytest.mark.parametrize("name", SCRIPTS)
def test_arguments(name: str) -> None:
    wanted = CALLS[name]["ARGV"].replace("as `enqueue`", CALLS["enqueue"]["ARGV"])
    assert names(SCRIPTS[name]["arguments"]) == names(wanted)


@pytest.mark.parametrize("name", SCRIPTS)
def test_words_of_the_reply(name: str) -> None:
    cell = CALLS[name]["reply, after `now`"].replace("as `enqueue`", CALLS["enqueue"]["reply, after `now`"])
    if name == "look":
        (cell,) = re.findall(r"\*\*look\.\*\* (State is .*?)\.", section("7.2"))
    words = re.sub(r"\(.*?\)", "", SCRIPTS[name]["reply"])
    assert set(code_words(cell)) == {word for word in re.findall(r"[a-z]+", words) if f"'{word}'" in TEXTS[name]} - {
        "size"
    }


@pytest.mark.parametrize("name", ["enqueue", "extend", "settle", "cancel", "look", "requeue", "configure"])
def test_a_script_answers_in_these_words_only(name: str) -> None:
    listed = {word.strip() for word in re.split(r"[|,:]|then", SCRIPTS[name]["reply"])}
    answered = re.findall(r"(?:answer|reply\[i \+ 1\]|state) = (?:.* and )?'(\w+)'(?: or '(\w+)')?", TEXTS[name])
    assert {word for pair in answered for word in pair if word} <= listed


def test_prefixes_of_errors() -> None:
    used = {prefix for text in TEXTS.values() for prefix in re.findall(r"JOBWIRE_[A-Z]+", text)}
    assert used == set(re.findall(r"JOBWIRE_[A-Z]+", section("7.2")))


def test_codes_that_scripts_write() -> None:
    written = re.findall(r"fail\(id, [^\n]*?, '(\w+)',", TEXTS["claim"])
    assert len(written) == 2
    assert set(written) <= set(SCHEMAS["error"]["properties"]["code"]["examples"])


def test_verbs() -> None:
    (known,) = re.findall(r"local DOCUMENTED = \{(.*)\}", TEXTS["settle"])
    (paragraph,) = re.findall(r"\*\*settle\.\*\* The number is (.*?)\.", section("7.2"))
    assert {*re.findall(r"(\w+) =", known), "release"} == set(code_words(paragraph))


@pytest.mark.parametrize("number", ["1048576", "65536", "4194304", "604800000"])
def test_limits_of_the_scripts_are_those_of_the_text(number: str) -> None:
    assert number in SPEC
    assert any(number in text for text in TEXTS.values())


def test_settings() -> None:
    (ranges,) = re.findall(r"local RANGES = (.*)", TEXTS["configure"])
    settings = re.findall(r"(\w+) = \{", ranges)
    assert settings == [word for word in code_words(CALLS["configure"]["effect"]) if word != "ok"]


def test_access_list() -> None:
    (listed,) = [block.text for block in blocks(section("13.")) if block.info == "acl"]
    used = {call.lower() for text in TEXTS.values() for call in re.findall(r"redis\.p?call\('([A-Z]+)'", text)}
    assert {word.removeprefix("+") for word in listed.split()} == used | CLIENT
