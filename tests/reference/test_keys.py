"""Key names: SPEC section 7.1's table, and no other spelling anywhere."""

from pathlib import Path

import pytest

import jobwire
from jobwire.defaults import DEFAULT_NAMESPACE
from jobwire.errors import Invalid
from jobwire.keys import NAMES, QueueKeys, control_pattern, queue_keys, queue_of
from tests.spec.text import section, table

KEYS = QueueKeys("jobwire", "q")


def test_names_are_the_rows_of_the_spec() -> None:
    rows = [row["key"].strip("`") for row in table(section("7.1"), "KEYS")]
    assert [*NAMES, "result:<id>", "join:<group>"] == rows


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_base_keys(number: int) -> None:
    assert f"jobwire:{{q}}:{NAMES[number]}" == KEYS.base[number] == KEYS[NAMES[number]]


@pytest.mark.parametrize(
    ("expected", "key"),
    [
        ("jobwire:{q}:result:a:b", KEYS.result("a:b")),
        ("jobwire:{q}:join:g", KEYS.join("g")),
        ("jobwire:{q}:", KEYS.prefix),
        ("my-ns:{a.b}:ready", QueueKeys("my-ns", "a.b")["ready"]),
        ("jobwire:{*}:control", control_pattern(DEFAULT_NAMESPACE)),
        ("q", queue_of(KEYS["jobs"])),
        ("a.b", queue_of("x:{a.b}:control")),
    ],
)
def test_key(expected: str, key: str) -> None:
    assert expected == key


@pytest.mark.parametrize(
    ("field", "namespace", "queue"),
    [
        ("queue", "jobwire", "a:b"),
        ("queue", "jobwire", ""),
        ("queue", "jobwire", "q\n"),
        ("queue", "jobwire", "{q}"),
        ("namespace", "job:wire", "q"),
        ("namespace", "", "q"),
        ("namespace", "{x}", "q"),
        ("namespace", "a" * 65, "q"),
    ],
)
def test_a_bad_name_makes_no_keys(field: str, namespace: str, queue: str) -> None:
    with pytest.raises(Invalid, match=f"^{field}: expected"):
        queue_keys(namespace, queue)


def test_keys_are_made_once_a_queue() -> None:
    assert queue_keys("jobwire", "q") is queue_keys("jobwire", "q")
    assert queue_keys("jobwire", "q") is not queue_keys("other", "q")


def test_an_unknown_key_has_no_name() -> None:
    with pytest.raises(ValueError, match="tuple"):
        KEYS["unknown"]


def test_no_other_module_spells_a_key() -> None:
    sources = Path(jobwire.__file__).parent.rglob("*.py")
    spelled = [path.name for path in sources if "{{" in (text := path.read_text()) and "}}:" in text]
    assert spelled == ["keys.py"]
