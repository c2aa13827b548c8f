"""Write what is generated: two files of lua/, parts of SPEC.md, docs/traceability.md, the digest of checked cases.

python -m tools.generate            write what is out of date
python -m tools.generate --check    say what is, and fail
"""

import argparse
import difflib
import hashlib
import json
import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jobwire_conformance import corpus, trace

ROOT = Path(__file__).parents[1]

# delay_ms, factor, max_delay_ms, jitter
POLICIES = (
    (1000, 2, 300_000, 0.1),
    (60_000, 3, 300_000, 0.1),
    (600_000, 2, 300_000, 0),
    (5000, 1, 300_000, 0.5),
    (1000, 1.5, 300_000, 0),
    (1000, 1.5, 300_000, 1),
    (0, 2, 300_000, 0.1),
    (1000, 1000, 2**53 - 1, 0),
    (1000, 2, 0, 0.1),
)
ATTEMPTS = range(1, 7)


def main() -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail with a diff if a file is out of date")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in generated(ROOT).items() if read(path) != text]
    for path, text in stale:
        name = str(path.relative_to(ROOT))
        print(f"{name}: {'out of date; run python -m tools.generate' if check else 'written'}")
        if check:
            lines = difflib.unified_diff(read(path).splitlines(), text.splitlines(), name, "generated", lineterm="")
            print("\n".join(lines))
        else:
            path.write_text(text, encoding="utf-8", newline="\n")
    return 1 if check and stale else 0


def generated(root: Path) -> dict[Path, str]:
    """Return path -> text of all that is generated, from the other files under root."""
    lua = {path.stem: read(path) for path in sorted(root.glob("lua/*.lua"))}
    lua["pass"] = "#!lua flags=allow-oom\n" + lua["enqueue"].partition("\n")[2]
    scripts = [script(name, text) for name, text in sorted(lua.items())]
    return {
        root / "lua/pass.lua": lua["pass"],
        root / "lua/scripts.json": listing(scripts),
        root / "SPEC.md": spec(read(root / "SPEC.md"), scripts),
        root / "docs/traceability.md": trace.document(),
        # `trace` has read all data, and they are right.
        corpus.CHECKED: f"{corpus.to_be_checked()}\n",
    }


def read(path: Path) -> str:
    """Return the text of a file, "" if there is none; line ends stay as they are."""
    return path.read_bytes().decode() if path.exists() else ""


def listing(scripts: list[dict[str, Any]]) -> str:
    """Return the scripts as JSON, a member a line."""
    entries = (",\n".join(f'    "{name}": {json.dumps(value)}' for name, value in each.items()) for each in scripts)
    return "[\n" + ",\n".join(f"  {{\n{entry}\n  }}" for entry in entries) + "\n]\n"


def script(name: str, text: str) -> dict[str, Any]:
    """Read the head comment of a script."""
    head = dict(re.findall(r"^-- (?:([A-Z]+)|[a-z, ]+): (.*)$", text.partition("\n\n")[0], re.MULTILINE))
    keys = head["KEYS"].partition(",")[0].split()
    return {
        "name": name,
        "file": f"{name}.lua",
        "sha1": hashlib.sha1(text.encode()).hexdigest(),
        "flags": re.findall(r"flags=([\w-]+)", text.partition("\n")[0]),
        "purpose": head[""],
        "keys": keys + (["result:<id>"] if "result:<id>" in head["KEYS"] else []),
        "arguments": head["ARGV"],
        "reply": head["REPLY"],
        "implements": head["IMPLEMENTS"].split(", "),
    }


def spec(text: str, scripts: list[dict[str, Any]]) -> str:
    """Return SPEC.md with its generated parts made anew."""
    digests = {script["name"]: script["sha1"] for script in scripts}
    text = re.sub(
        r"^(```redis (\w+)\nEVALSHA )[0-9a-f]{40}", lambda found: found[1] + digests[found[2]], text, flags=re.MULTILINE
    )
    for name, lines in (
        ("digests", digest_table(scripts)),
        ("delays", delay_table()),
        ("index", index_table(text)),
        ("diagram", diagram(text)),
    ):
        text = between(text, name, "\n".join(lines))
    return text


def between(text: str, name: str, body: str) -> str:
    """Put the body between the markers of this name."""
    head, start, rest = text.partition(f"<!-- {name} -->\n")
    _, end, tail = rest.partition(f"<!-- /{name} -->")
    if not (start and end):
        raise SystemExit(f"SPEC.md: no pair of markers <!-- {name} --> and <!-- /{name} -->")
    return f"{head}{start}{body}\n{end}{tail}"


def table(titles: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for cells in rows:
        yield f"| {' | '.join(cells)} |"


def digest_table(scripts: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the lines of Appendix B."""
    rows = ([f"`{each['name']}`", " ".join(each["flags"]) or "–", f"`{each['sha1']}`"] for each in scripts)
    return table(["script", "flags", "SHA-1"], rows)


def delay_table() -> Iterator[str]:
    """Yield the lines of Appendix C."""
    titles = ["`delay_ms`", "`factor`", "`max_delay_ms`", "`jitter`", *map(str, ATTEMPTS)]
    rows = ([*map(str, policy), *(delay(policy, attempt) for attempt in ATTEMPTS)] for policy in POLICIES)
    return table(titles, rows)


def delay(policy: tuple[float, float, float, float], attempt: int) -> str:
    """Return the bounds of the delay after an attempt, by the loop of [RETRY-6]."""
    delay_ms, factor, max_delay_ms, jitter = policy
    most = min(delay_ms, max_delay_ms)
    for _ in range(attempt - 1):
        most = min(most * factor, max_delay_ms)
    least = math.floor(most * (1 - jitter))
    return f"{least}–{math.floor(most)}" if least < math.floor(most) else str(least)


def index_table(text: str) -> Iterator[str]:
    """Yield the lines of Appendix D."""
    return table(["requirement", "section", "level"], requirements(text))


def requirements(text: str) -> Iterator[list[str]]:
    """Yield ID, link to its section and level of each normative sentence, in the order of the text."""
    section = ""
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines():
        if heading := re.fullmatch(r"#+ (?:Appendix )?([0-9A-Z.]+?)\.? .+", line):
            section = f"[{heading[1]}](#{anchor(line.lstrip('# '))})"
        elif requirement := re.fullmatch(r".*\. \[([A-Z]+-\d+)\]", line):
            levels: list[str] = re.findall(r"\b(?:MUST|SHOULD|MAY)\b(?: NOT\b)?", line)
            yield [requirement[1], section, levels[-1]]


def anchor(title: str) -> str:
    """Return the anchor that a heading gets."""
    return re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-")


def diagram(text: str) -> Iterator[str]:
    """Draw the lifecycle table of section 6; moves between the same two states share an arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for start, event, end, effect in lifecycle(text):
        for state in start.split(", "):
            if not effect.startswith("nothing changes;"):
                arrow = (state.replace("–", "[*]"), end.replace("–", "[*]"))
                name = event.partition(",")[0] if event.startswith("lease over") else event.replace("`", "")
                if name not in arrows.setdefault(arrow, []):
                    arrows[arrow].append(name)
    yield "```mermaid"
    yield "stateDiagram-v2"
    for (start, end), events in arrows.items():
        yield f"    {start} --> {end}: {' / '.join(events)}"
    for state in dict.fromkeys(end for _, end in arrows if end not in {start for start, _ in arrows}):
        yield f"    {state} --> [*]: no longer kept"
    yield "```"


def lifecycle(text: str) -> Iterator[list[str]]:
    """Yield from, event, to and effect of each row of the lifecycle table."""
    part = text.partition("<!-- lifecycle")[2].partition("\n\n")[0]
    for line in part.splitlines()[3:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


if __name__ == "__main__":
    sys.exit(main())
