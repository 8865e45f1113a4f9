"""Ions: concentrations and the reversal potentials that they make; one file per kind."""
