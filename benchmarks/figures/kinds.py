"""What a figure gives."""

from __future__ import annotations

# Numbers by their name, whose end is the unit; `note` is text for the reader.
Values = dict[str, float | str]
