"""Recurrent cells and reservoirs."""
