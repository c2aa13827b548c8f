"""TRANSITIONS is the table of SPEC section 6."""

import re

from jobwire.lifecycle import ENDED, FINAL, TRANSITIONS, Event, State, Verb
from tests.spec.text import section, table

Row = tuple[tuple[str, ...], str, str, str]


def rows_of_the_spec() -> list[Row]:
    """Return sources, event, condition and target of each row, in order."""
    found = []
    for row in table(section("6."), "event"):
        event, _, when = row["event"].partition(", ")
        if row["event"] == "retention over, purge":
            event, when = row["event"], ""
        to = row["effect"] if row["effect"] == "deleted" else row["to"]
        found.append((names(row["from"]), event, plain(when), to))
    return found


def names(cell: str) -> tuple[str, ...]:
    return () if cell == "–" else tuple(cell.split(", "))


def plain(text: str) -> str:
    return re.sub(r"`(\w+)`", r"\1", text).replace("≥", ">=")


def rows_of_the_reference() -> list[Row]:
    words = {state: state.value for state in State} | {None: "–", State.UNKNOWN: "deleted"}
    return [
        (tuple(state.value for state in row.sources), row.event.value, row.when, words[row.to]) for row in TRANSITIONS
    ]


def test_transitions_are_the_rows_of_the_spec_in_its_order() -> None:
    assert len(rows_of_the_spec()) == 23
    assert rows_of_the_spec() == rows_of_the_reference()


def test_no_row_is_out_of_reach() -> None:
    for number, row in enumerate(TRANSITIONS):
        earlier = [each for each in TRANSITIONS[:number] if each.event is row.event and not each.when]
        assert not any(set(row.sources) <= set(each.sources) for each in earlier)


def test_every_event_and_state_has_a_row() -> None:
    assert set(Event) == {row.event for row in TRANSITIONS}
    assert set(State) == {state for row in TRANSITIONS for state in (*row.sources, row.to) if state}


def test_final_states_and_those_that_end_a_wait() -> None:
    assert {State.SUCCEEDED, State.CANCELLED, State.EXPIRED, State.UNKNOWN} == FINAL
    assert {State.SUCCEEDED, State.CANCELLED, State.EXPIRED, State.FAILED} == ENDED


def test_a_verb_for_each_settle() -> None:
    settles = {event.value.removeprefix("settle ") for event in Event if event.value.startswith("settle ")}
    assert settles == {verb.value for verb in Verb}
    assert section("2.").count("in one of seven ways") == (len(Verb) == 7)
