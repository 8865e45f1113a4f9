"""Neurons; one file per model family."""
