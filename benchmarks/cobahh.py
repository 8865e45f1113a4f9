"""The COBAHH network (Brette et al. 2007, benchmark 3), timed."""

from _common import main

from examples.cobahh import network

if __name__ == "__main__":
    main("cobahh", network, lambda net: None)
