"""The COBAHH network (Brette et al. 2007, benchmark 3), timed.

Hodgkin-Huxley neurons with the channels of Traub & Miles, 80/20, 80 synapses each.
Conductances are per area: the benchmark's cells have 20,000 um^2.
"""

import jax
from _common import main

from fdyn import Network, Projection
from fdyn.components import COBA, ConductanceBased, Exponential, KTraubMiles, Leak, NaTraubMiles
from fdyn.sparse import fixed_out_degree

PER_AREA = 1e-6 / 2e-4  # nS of a cell as mS/cm^2


def network(n: int, key: jax.Array) -> Network:
    """`n` neurons, four fifths excitatory, that start from the benchmark's random state."""
    n_e = n * 4 // 5
    sizes = {"E": n_e, "I": n - n_e}
    degree = {"E": 64, "I": 16}
    weights = {"E": 6.0 * PER_AREA, "I": 67.0 * PER_AREA}
    tau = {"E": 5.0, "I": 10.0}
    reversal = {"E": 0.0, "I": -80.0}
    start = {"E": (40.0, 15.0), "I": (200.0, 120.0)}  # nS, mean and standard deviation
    nodes, projections = {}, {}
    for name, size in sizes.items():
        noise = jax.random.normal(jax.random.fold_in(key, size), (size,))
        nodes[name] = ConductanceBased(
            size,
            {
                "na": NaTraubMiles(g=100.0, e=50.0, v_t=-63.0),
                "k": KTraubMiles(g=30.0, e=-90.0, v_t=-63.0),
                "leak": Leak(g=0.05, e=-60.0),
            },
            c=1.0,
            v_th=-20.0,
            t_ref=3.0,
            v_init=-65.0 + 5.0 * noise,
        )
    for i, (pre, post) in enumerate((a, b) for a in sizes for b in sizes):
        graph, state = jax.random.split(jax.random.fold_in(key, i))
        mean, deviation = start[pre]
        g = (mean + deviation * jax.random.normal(state, (sizes[post],))) * PER_AREA
        connect = fixed_out_degree(
            graph, sizes[pre], sizes[post], degree[post], weights[pre], multapses=True
        )
        projections[pre + post] = Projection(
            pre, post, connect, Exponential(tau=tau[pre], g_init=g), COBA(e=reversal[pre])
        )
    return Network(nodes, projections)


if __name__ == "__main__":
    main("cobahh", network, lambda net: None)
