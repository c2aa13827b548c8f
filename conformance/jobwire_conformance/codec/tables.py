"""Write out a table of values of one field as an entry for each value."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .inputs import BASE

Entry = Mapping[str, Any]


def written_out(entry: Entry) -> Iterator[Entry]:
    """Yield an entry for each value; the twin of one that is rejected is the first that is accepted."""
    name = entry.get("name", re.sub(r"[._]+", "-", entry["at"]))
    around = entry.get("with", {})
    accepts, rejects = entry.get("accepts", {}), entry.get("rejects", {})
    twin = entry.get("twin", f"{name}-{next(iter(accepts), '')}")
    wrong = {"reject": {"code": "invalid", "field": entry.get("field", entry["at"])}, "twin": twin}
    common = {"requirements": entry["requirements"]} if "requirements" in entry else {}
    for label, value in accepts.items():
        members = placed(around, entry["at"], value)
        yield {**common, "name": f"{name}-{label}", "with": members, "accept": members}
    for label, value in rejects.items():
        yield {**common, "name": f"{name}-{label}", "with": placed(around, entry["at"], value), **wrong}
    if "required" in entry:
        yield from _null_and_absent(entry, f"{name}-null", f"{name}-absent", wrong)


def _null_and_absent(entry: Entry, null: str, absent: str, wrong: Entry) -> Iterator[Entry]:
    around, at = entry.get("with", {}), entry["at"]
    without = {"without": [at]} if at in BASE else {}
    nothing = {"requirements": ["FIELD-9"], "name": null, "with": placed(around, at, None)}
    missing = {"requirements": entry.get("requirements", ["FIELD-5"]), "name": absent, "with": around, **without}
    if entry["required"]:
        yield {**nothing, **wrong}
        yield {**missing, **wrong}
    else:
        yield {**nothing, "accept": around}


def placed(around: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return members with a value put at a path, whose last part can be new."""
    found = copy.deepcopy(dict(around))
    parts: list[Any] = [int(part) if part.isdigit() else part for part in path.split(".")]
    last = parts.pop()
    place: Any = found
    for part in parts:
        place = place[part] if isinstance(place, list) else place.setdefault(part, {})
    if isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return found
