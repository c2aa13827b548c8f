"""Implementations put to work with each other: producer by worker by encoding, hand-over, and shared workflows."""
