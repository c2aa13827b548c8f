"""Codec vectors: data, and what runs them."""
