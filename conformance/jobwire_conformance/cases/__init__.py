"""Behaviour cases: data, and what runs them."""
