"""A suite that producers, workers and codecs in any language run to prove that they keep to SPEC.md."""

__version__ = "1.0.0"
