"""Synapses and their outputs."""
