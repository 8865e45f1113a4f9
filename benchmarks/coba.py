"""The COBA network (Brette et al. 2007, benchmark 1), timed."""

from _common import main

from examples.coba import DRIVE, network

if __name__ == "__main__":
    main("coba", network, lambda net: dict.fromkeys(net.nodes, DRIVE))
