"""Compare a value with the pattern of a case."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final


class Absent:
    """What stands where there is no value."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = Absent()


@dataclass(frozen=True)
class Difference:
    """Where a value is not as the pattern says: the place in it, what was wanted there, what is."""

    path: str
    expected: str
    got: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}wanted {self.expected}, got {self.got}"


def matches(pattern: Any, value: Any) -> bool:
    """Tell whether the value is as the pattern says."""
    if isinstance(pattern, dict) and isinstance(value, dict) and operator(pattern) is None:
        # Most events of a history differ in a plain member, which is cheap to see.
        for key, wanted in pattern.items():
            if isinstance(wanted, str) and value.get(key) != wanted:
                return False
    return difference(pattern, value) is None


def difference(pattern: Any, value: Any, path: str = "") -> Difference | None:
    """Return the first place where the value is not as the pattern says."""
    if isinstance(pattern, dict):
        name = operator(pattern)
        if name is not None:
            return OPERATORS[name].compare(pattern[name], value, path)
        return _map_difference(pattern, value, path)
    if isinstance(pattern, list):
        return _list_difference(pattern, value, path)
    return None if _equal(pattern, value) else Difference(path, render(pattern), render(value))


def operator(pattern: Any) -> str | None:
    """Return the name of the operator that the pattern is, if it is one."""
    if isinstance(pattern, dict) and len(pattern) == 1:
        (name,) = pattern
        return name if name in OPERATORS else None
    return None


def render(value: Any, limit: int = 400) -> str:
    """Write a value or a pattern in one short line."""
    text = repr(value) if isinstance(value, Absent | bytes) else json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= limit else f"{text[: limit - 20]}… ({len(text)} characters)"


def faults(pattern: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with a pattern, before anything is compared with it."""
    name = operator(pattern)
    if name is not None:
        message = OPERATORS[name].check(pattern[name])
        if message:
            yield f"{path or 'pattern'}: {name} takes {message}, got {render(pattern[name])}"
        elif OPERATORS[name].nested:
            inner = pattern[name] if isinstance(pattern[name], list) else [pattern[name]]
            for one in inner:
                yield from faults(one, f"{path}.{name}".lstrip("."))
    elif isinstance(pattern, dict):
        if len(pattern) > 1 and all(key in OPERATORS for key in pattern):
            yield f"{path or 'pattern'}: an operator is a map of one key, got {', '.join(pattern)}"
        for key, member in pattern.items():
            yield from faults(member, f"{path}.{key}".lstrip("."))
    elif isinstance(pattern, list):
        for index, member in enumerate(pattern):
            yield from faults(member, f"{path}.{index}".lstrip("."))


def _equal(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, bool) or isinstance(value, bool):
        return pattern is value
    if isinstance(pattern, int | float) and isinstance(value, int | float):
        # A number means the double nearest to it. [VAL-2]
        return float(pattern) == float(value)
    return type(pattern) is type(value) and bool(pattern == value)


def _map_difference(pattern: dict[str, Any], value: Any, path: str) -> Difference | None:
    if not isinstance(value, dict):
        return Difference(path, render(pattern), render(value))
    for key, wanted in pattern.items():
        found = difference(wanted, value.get(key, ABSENT), f"{path}.{key}".lstrip("."))
        if found:
            return found
    return None


def _list_difference(pattern: list[Any], value: Any, path: str) -> Difference | None:
    if not isinstance(value, list) or len(value) != len(pattern):
        return Difference(path, render(pattern), render(value))
    pairs = enumerate(zip(pattern, value, strict=True))
    found = (difference(wanted, member, f"{path}.{index}".lstrip(".")) for index, (wanted, member) in pairs)
    return next((one for one in found if one), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


Compare = Callable[[Any, Any, str], Difference | None]


@dataclass(frozen=True)
class _Operator:
    compare: Compare
    check: Callable[[Any], str]
    nested: bool = False


def _test(name: str, holds: Callable[[Any, Any], bool]) -> Compare:
    def compare(argument: Any, value: Any, path: str) -> Difference | None:
        if not isinstance(value, Absent) and holds(argument, value):
            return None
        return Difference(path, f"{name} {render(argument)}", render(value))

    return compare


def _one_of(argument: Any, value: Any, path: str) -> Difference | None:
    if any(matches(one, value) for one in argument):
        return None
    return Difference(path, f"one of {render(argument)}", render(value))


def _absent(argument: Any, value: Any, path: str) -> Difference | None:
    return None if isinstance(value, Absent) else Difference(path, "nothing", render(value))


def _present(argument: Any, value: Any, path: str) -> Difference | None:
    return Difference(path, "something", "nothing") if isinstance(value, Absent) else None


def _not(argument: Any, value: Any, path: str) -> Difference | None:
    return Difference(path, f"not {render(argument)}", render(value)) if matches(argument, value) else None


def _has(argument: Any, value: Any, path: str) -> Difference | None:
    members = value if isinstance(value, list) else []
    missing = [one for one in argument if not any(matches(one, member) for member in members)]
    return Difference(path, f"a list that has {render(missing[0])}", render(value)) if missing else None


def _size(measure: Callable[[Any], int | None], what: str) -> Compare:
    def compare(argument: Any, value: Any, path: str) -> Difference | None:
        size = measure(value)
        if size is None:
            return Difference(path, f"something with a {what}", render(value))
        return difference(argument, size, f"{path} ({what})".strip())

    return compare


def _exactly(argument: Any, value: Any, path: str) -> Difference | None:
    if isinstance(value, dict):
        others = sorted(set(value) - set(argument))
        if others:
            return Difference(path, f"no members but {render(sorted(argument))}", render(others))
    return _map_difference(argument, value, path)


def _keys(argument: Any, value: Any, path: str) -> Difference | None:
    if isinstance(value, dict) and set(value) == set(argument):
        return None
    got = render(sorted(value)) if isinstance(value, dict) else render(value)
    return Difference(path, f"the members {render(sorted(argument))}", got)


def _takes(what: str, holds: Callable[[Any], bool]) -> Callable[[Any], str]:
    return lambda argument: "" if holds(argument) else what


def _is_regex(argument: Any) -> bool:
    try:
        re.compile(argument)
    except (re.error, TypeError):
        return False
    return True


def _is_range(argument: Any) -> bool:
    return isinstance(argument, list) and len(argument) == 2 and all(map(_is_number, argument))


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, str | list | dict) else None


def _utf8_bytes(value: Any) -> int | None:
    return len(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else None


def _are_names(argument: Any) -> bool:
    return isinstance(argument, list) and all(isinstance(one, str) for one in argument)


_ANYTHING = _takes("", lambda argument: True)
_TRUE = _takes("true", lambda argument: argument is True)
_NUMBER = _takes("a number", _is_number)
_LIST = _takes("a list that is not empty", lambda argument: isinstance(argument, list) and bool(argument))

OPERATORS: Final[dict[str, _Operator]] = {
    "one_of": _Operator(_one_of, _LIST, nested=True),
    "between": _Operator(
        _test("between", lambda a, v: _is_number(v) and a[0] <= v <= a[1]), _takes("two numbers", _is_range)
    ),
    "at_least": _Operator(_test("at least", lambda a, v: _is_number(v) and v >= a), _NUMBER),
    "at_most": _Operator(_test("at most", lambda a, v: _is_number(v) and v <= a), _NUMBER),
    "matches": _Operator(
        _test("a string matching", lambda a, v: isinstance(v, str) and re.search(a, v) is not None),
        _takes("a regular expression", _is_regex),
    ),
    "absent": _Operator(_absent, _TRUE),
    "present": _Operator(_present, _TRUE),
    "not": _Operator(_not, _ANYTHING, nested=True),
    "has": _Operator(_has, _LIST, nested=True),
    "length": _Operator(_size(_length, "length"), _ANYTHING, nested=True),
    "utf8_bytes": _Operator(_size(_utf8_bytes, "size in UTF-8"), _ANYTHING, nested=True),
    "exactly": _Operator(_exactly, _takes("a map", lambda argument: isinstance(argument, dict)), nested=True),
    "keys": _Operator(_keys, _takes("a list of names", _are_names)),
}
