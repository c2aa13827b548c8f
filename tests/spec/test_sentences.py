"""Each normative sentence of SPEC.md has one level and ends in one ID."""

import re
from collections import Counter
from itertools import groupby

import pytest

from tests.spec.text import DEFINED, LEVEL, NAMED, prose, requirements, sentences, without_code

BCP_14 = "MUST, MUST NOT, SHOULD, SHOULD NOT and MAY have the meaning of BCP 14"


def test_there_are_requirements() -> None:
    assert len(requirements()) > 100


@pytest.mark.parametrize("sentence", [s for s in sentences() if LEVEL.search(s) and not s.startswith(BCP_14)])
def test_normative_sentence_has_one_level_and_one_id(sentence: str) -> None:
    assert len(LEVEL.findall(sentence)) == 1
    assert DEFINED.search(sentence)


def test_a_sentence_with_an_id_is_normative() -> None:
    assert [s for s in sentences() if DEFINED.search(s) and not LEVEL.search(s)] == []


def test_ids_are_unique() -> None:
    assert [id for id, count in Counter(requirements()).items() if count > 1] == []


def test_ids_of_a_family_stand_together_and_count_from_one() -> None:
    families = [(name, [int(id.partition("-")[2]) for id in ids]) for name, ids in groupby(requirements(), family)]
    assert len({name for name, _ in families}) == len(families)
    assert [(name, numbers) for name, numbers in families if numbers != list(range(1, len(numbers) + 1))] == []


def test_ids_that_are_referred_to_exist() -> None:
    assert set(NAMED.findall(prose())) - set(requirements()) == set()


def test_words_of_bcp_14_are_in_capitals() -> None:
    text = without_code(prose())
    assert re.findall(r".{0,40}\b(?:must|should|may|shall|required to|recommended)\b.{0,40}", text) == []


def test_length() -> None:
    words = [word for word in NAMED.sub("", prose()).split() if re.search(r"\w", word)]
    assert 4_000 <= len(words) <= 6_000


def family(id: str) -> str:
    return id.partition("-")[0]
