"""Inputs and encoders."""
