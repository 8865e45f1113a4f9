"""Rate models, oscillators, mean fields, and what is measured of them; see `fdyn.components`."""
