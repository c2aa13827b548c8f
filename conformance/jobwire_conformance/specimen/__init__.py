"""A small implementation in one file a role, to read, and to break on purpose."""
