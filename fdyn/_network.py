"""Networks: nodes and projections, nested to any depth."""

from typing import Any

import jax.numpy as jnp
from jax import Array
from jaxtyping import PyTree

from . import _delay as dly
from . import _tree
from ._misc import child_key
from ._projection import Projection
from ._projection_check import check
from .components import (
    AbstractComponent,
    AbstractNeuron,
    AbstractPopulation,
    Args,
    Arrivals,
    State,
)
from .components._base import as_affine, check_shapes
from .sparse import find_events

# Where the memory of a network keeps the spikes that wait for a delay.
RINGS = "rings"


class Network(AbstractComponent):
    """Components that act on each other through projections; itself a component.

    **Arguments:**

    - `nodes`: dictionary from name to component: populations, inputs, or other networks.
    - `projections`: dictionary from name to `Projection`; their `pre` and `post` are paths.

    **State:** dictionaries with one entry per node and per projection; where there are delays,
    `mem` also has `rings`: the spikes of each population that projections wait for, for as long as
    the longest of their delays. **Output:** a dictionary with one entry per node. Everything in it
    is addressed by path: `"E.v"`, `"E.spike"`, `"EI.g"`, and in a network of networks `"V1.E.v"`.

    The output of a node that a projection carries is its only one, or the one called `pulse`, or
    the one that `pre` names.

    The input of a network is a dictionary like its nodes. In one step, all flows are integrated
    together, then the nodes jump, then the spikes arrive at the synapses. Nodes and projections
    are visited in the order of their names.

    **Raises:** `ValueError` for unknown paths (with the nearest names), names that clash or contain
    a dot, and connectivities whose shape does not fit their populations.

    ```python
    >>> import jax
    >>> from fdyn import Projection, simulate
    >>> from fdyn.components import COBA, LIF, Exponential, PoissonInput
    >>> from fdyn.sparse import fixed_probability
    >>> w = fixed_probability(jax.random.key(1), 100, 20, 0.5, weight=0.02)
    >>> net = Network(
    ...     {"in": PoissonInput(100, rate=20.0), "E": LIF(20)},
    ...     {"in_E": Projection("in", "E", w, Exponential(tau=5.0), COBA(e=0.0))},
    ... )
    >>> simulate(net, 100.0, dt=0.1, record="E.v")["E.v"].shape
    (1000, 20)

    ```

    **Source:** none; composition of hybrid systems.
    """

    nodes: dict[str, AbstractComponent]
    projections: dict[str, Projection]

    def __init__(
        self,
        nodes: dict[str, AbstractComponent],
        projections: dict[str, Projection] | None = None,
    ):
        for what, value in (("nodes", nodes), ("projections", projections)):
            if not (isinstance(value, dict) or (what == "projections" and value is None)):
                raise ValueError(
                    f"Network: '{what}' must be a dictionary from name to object, "
                    f"got {type(value).__name__}."
                )
        self.nodes = dict(nodes)
        self.projections = dict(projections or {})

    def __check_init__(self):
        for name in [*self.nodes, *self.projections]:
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(f"the name {name!r} must be text without a dot, and not empty.")
        if RINGS in {*self.nodes, *self.projections}:
            raise ValueError(f"the name {RINGS!r} is that of the spikes under way: take another.")
        clash = sorted(set(self.nodes) & set(self.projections))
        if clash:
            raise ValueError(f"a node and a projection cannot share a name: {clash}.")
        for name, node in self.nodes.items():
            if not isinstance(node, AbstractComponent):
                raise ValueError(
                    f"node {name!r} must be an AbstractComponent, got {type(node).__name__}."
                )
        for name, p in self.projections.items():
            if not isinstance(p, Projection):
                raise ValueError(
                    f"projection {name!r} must be a Projection, got {type(p).__name__}."
                )
            self._check_projection(name, p)

    def _check_projection(self, name: str, p: Projection) -> None:
        pre, rest = find(self, p.pre, f"projection {name!r}, pre")
        post, more = find(self, p.post, f"projection {name!r}, post")
        if not isinstance(pre, AbstractPopulation) or len(rest) > 1:
            raise ValueError(
                f"projection {name!r}: pre = {p.pre!r} must be a population, optionally followed "
                f"by the name of one of its outputs, got {type(pre).__name__}."
            )
        if not isinstance(post, AbstractNeuron) or more:
            raise ValueError(
                f"projection {name!r}: post = {p.post!r} must be an AbstractNeuron, since the "
                f"output of a synapse needs its potential; got {type(post).__name__}."
            )
        if (p.connect.n_pre, p.connect.n_post) != (pre.size, post.size):
            raise ValueError(
                f"projection {name!r}: 'connect' must lead from {pre.size} ({p.pre!r}) to "
                f"{post.size} ({p.post!r}) units, got {p.connect.n_pre} to {p.connect.n_post}."
            )
        if p.synapse.graded and not isinstance(pre, AbstractNeuron):
            raise ValueError(
                f"projection {name!r}: pre = {p.pre!r} must be an AbstractNeuron, since a "
                f"{type(p.synapse).__name__} is driven by its activity; got {type(pre).__name__}."
            )
        silent = isinstance(pre, AbstractNeuron) and pre.units and "spike" not in pre.units
        if silent and not p.synapse.graded:
            raise ValueError(
                f"projection {name!r}: pre = {p.pre!r}, a {type(pre).__name__}, has no spikes (its "
                f"'units' name none), which a {type(p.synapse).__name__} needs: take Activity or "
                "Graded as synapse, or PoissonInput(rate=...) for spikes at a given rate."
            )
        if p.counts and not rest and getattr(pre, "interpolate", False):
            raise ValueError(
                f"projection {name!r}: pre = {p.pre!r} interpolates its spikes and sends them "
                "spread over two steps, but this projection counts spikes (a Delta synapse, a "
                "release, a learning rule, or a synapse that is not linear): take "
                f"pre = '{p.pre}.spike'."
            )
        if p.kicks and getattr(post, "interpolate", False):
            raise ValueError(
                f"projection {name!r}: a Delta synapse makes the potential jump on the grid, but "
                f"post = {p.post!r} interpolates its spikes between the points of the grid: leave "
                "out 'interpolate', or take another synapse."
            )
        if p.plasticity is not None and p.plasticity.modulator is not None:
            find(self, p.plasticity.modulator, f"projection {name!r}, modulator")
        side = pre.size if p.at_pre else post.size
        for part, size in ((p.synapse, side), (p.output, post.size), (p.release, pre.size)):
            check_shapes(part, size, f"projection {name!r}, ")

    def init(self, *, key: Array, dt: float) -> State:
        """The initial states of all nodes and synapses."""
        y, mem = {}, {}
        for name, node in sorted(self.nodes.items()):
            state = node.init(key=child_key(key, name), dt=dt)
            y[name], mem[name] = state.y, state.mem
        steps: dict[str, int] = {}
        sizes: dict[str, int] = {}
        for name, p in sorted(self.projections.items()):
            check(p)
            self._check_projection(name, p)
            y[name], mem[name], most = p.init(dt, self._activity(p.pre, y))
            if most:
                steps[p.pre] = max(most, steps.get(p.pre, 0))
                sizes[p.pre] = p.connect.n_pre
        if steps:
            mem[RINGS] = {pre: dly.make_ring(most, sizes[pre]) for pre, most in steps.items()}
        return State(y, mem)

    def flow(self, t: Array, y: dict, args: Args) -> dict:
        """The synapses drive the nodes with currents; every part follows its own flow."""
        u = self._inputs(y, args)
        nodes = {
            name: node.flow(
                t, y[name], Args(args.mem[name], u.get(name), None, args.hist.child(name))
            )
            for name, node in self.nodes.items()
        }
        synapses = {
            name: p.flow(
                y[name],
                args.mem[name],
                {"pre": self._activity(p.pre, y), "post": self._activity(p.post, y)},
            )
            for name, p in self.projections.items()
        }
        return {**nodes, **synapses}

    def diffusion(self, t: Array, y: dict, args: Args) -> dict | None:
        """The noise of the nodes."""
        noise = {
            name: node.diffusion(t, y[name], self._args_of(name, args))
            for name, node in self.nodes.items()
        }
        if all(g is None for g in noise.values()):
            return None
        return {**noise, **dict.fromkeys(self.projections)}

    def held(self, y: dict, args: Args) -> dict | None:
        """What the nodes hold."""
        masks = {
            name: node.held(y[name], self._args_of(name, args)) for name, node in self.nodes.items()
        }
        if all(m is None for m in masks.values()):
            return None
        return {**masks, **dict.fromkeys(self.projections)}

    def events(self, t: Array, y: dict, args: Args) -> dict:
        """The events of the nodes."""
        return {
            name: node.events(t, y[name], self._args_of(name, args))
            for name, node in self.nodes.items()
        }

    def timer(self, mem: dict) -> Array:
        """The earliest clock of all nodes."""
        parts = {**self.nodes, **self.projections}
        clocks = [part.timer(mem[name]) for name, part in parts.items()]
        return jnp.min(jnp.stack([jnp.array(jnp.inf), *clocks]))

    def jump(
        self, t: Array, y: dict, args: Args, *, dt: Array, key: Array
    ) -> tuple[dict, dict, dict]:
        """The nodes jump, then the spikes that are due arrive at the synapses, which then learn.

        What delta synapses bring after a delay acts before the nodes jump.
        """
        args = Args(args.mem, self._inputs(y, args), args.fired, args.hist)
        y, mem, out = dict(y), dict(args.mem), {}
        kicking = {name: p for name, p in sorted(self.projections.items()) if p.kicks}
        for name, p in kicking.items():
            ring = mem.get(RINGS, {}).get(p.pre)
            zeros, own = self._zeros(p.post, y), child_key(key, name)
            y[name], mem[name], dv = p.due(y[name], mem[name], ring, zeros, dt=dt, key=own)
            y = y if dv is None else self._kick(p.post, y, args.mem, dv)
        for name, node in sorted(self.nodes.items()):
            y[name], mem[name], out[name] = node.jump(
                t, y[name], self._args_of(name, args), dt=dt, key=child_key(key, name)
            )
        spiking = {n: p for n, p in sorted(self.projections.items()) if not p.synapse.graded}
        sent = {p.pre: self._output(name, p.pre, out) for name, p in spiking.items()}
        if RINGS in mem:
            mem[RINGS] = {pre: dly.push(ring, sent[pre]) for pre, ring in mem[RINGS].items()}
        found: dict = {}
        for name, p in sorted(self.projections.items()):
            spikes = None if p.synapse.graded else self._arriving(p, mem, name, sent, found)
            y[name], mem[name], released = p.receive(
                y[name],
                mem[name],
                spikes,
                self._activity(p.pre, y),
                args.fired,
                dt=dt,
                key=child_key(key, name),
            )
            if p.kicks and not p.delayed:
                dv = self._zeros(p.post, y) + Arrivals(p.connect, released, mem[name].get("weight"))
                y = self._kick(p.post, y, mem, dv)
            if p.plasticity is not None:
                s_post = None if p.plasticity.graded else self._fired(name, p, out, found)
                spikes = (spikes, s_post)
                y[name], mem[name] = self._learn(name, p, y, mem, out, spikes, dt, key)
        return y, mem, out

    def _arriving(self, p: Projection, mem: dict, name: str, sent: dict, found: dict) -> Any:
        """The spikes that have waited, `Events`."""
        lag = mem[name].get("timing", dly.Timing()).lag
        # Projections that wait for the same spikes share the search for them.
        wait = (p.pre, p.waits)
        if wait not in found or wait[1] is None:
            spikes = sent[p.pre] if lag is None else dly.read(mem[RINGS][p.pre], lag)
            found[wait] = find_events(spikes)
        return found[wait]

    def _fired(self, name: str, p: Projection, out: dict, found: dict) -> Any:
        """The postsynaptic spikes of this instant, `Events`."""
        if p.post not in found:
            outputs = _tree.get(out, _tree.split(p.post))
            if "spike" not in outputs:
                raise ValueError(
                    f"projection {name!r}: a {type(p.plasticity).__name__} learns from spikes, "
                    f"which post = {p.post!r} does not have: it has the outputs "
                    f"{', '.join(sorted(outputs))}."
                )
            found[p.post] = find_events(outputs["spike"])
        return found[p.post]

    def _learn(
        self,
        name: str,
        p: Projection,
        y: dict,
        mem: dict,
        out: dict,
        spikes: tuple[Any, Any],
        dt: Array,
        key: Array,
    ) -> tuple[dict, dict]:
        """The weights of a projection after the spikes of this instant."""
        assert p.plasticity is not None
        modulator = p.plasticity.modulator
        u = {
            "pre": self._activity(p.pre, y),
            "post": self._activity(p.post, y),
            "modulator": None if modulator is None else self._output(name, modulator, out),
        }
        key = child_key(key, name)
        return p.learn(y[name], mem[name], *spikes, u, dt=dt, key=key)

    def _neuron(self, path: str) -> AbstractNeuron:
        node, _ = find(self, path, "post")
        assert isinstance(node, AbstractNeuron)  # checked at construction
        return node

    def _zeros(self, path: str, y: dict) -> Array:
        return jnp.zeros_like(self._neuron(path).potential(_tree.get(y, _tree.split(path))))

    def _kick(self, path: str, y: dict, mem: dict, dv: Array) -> dict:
        """The state after the potentials of a population have jumped."""
        names = _tree.split(path)
        args = Args(_tree.get(mem, names))
        return _tree.put(y, names, self._neuron(path).kick(_tree.get(y, names), args, dv))

    def _activity(self, path: str, y: dict) -> Array | None:
        """What graded synapses see of a population; `None` for an input."""
        node, rest = find(self, path, "pre")
        names = _tree.split(path)
        if not isinstance(node, AbstractNeuron):
            return None
        return node.activity(_tree.get(y, names[: len(names) - len(rest)]))

    def _inputs(self, y: dict, args: Args) -> dict:
        """What the nodes get from outside together with the currents of their synapses."""
        u = dict(args.u or {})
        for name, p in sorted(self.projections.items()):
            if p.kicks:
                continue
            path = _tree.split(p.post)
            v = self._neuron(p.post).potential(_tree.get(y, path))
            current = p.current(v, y[name], args.mem[name], self._activity(p.pre, y))
            u = _tree.put(u, path, current + as_affine(_tree.get(u, path)))
        return u

    def _args_of(self, name: str, args: Args) -> Args:
        fired = None if args.fired is None else args.fired[name]
        return Args(args.mem[name], (args.u or {}).get(name), fired, args.hist.child(name))

    def _output(self, name: str, path: str, out: dict) -> Array:
        """The output at a path, which a projection carries or learns from."""
        found = _tree.get(out, _tree.split(path))
        if isinstance(found, dict) and len(found) == 1:
            (found,) = found.values()
        if isinstance(found, dict):
            found = found.get("pulse", found)
        if found is None or isinstance(found, dict):
            _, rest = find(self, path, "pre")
            names = _tree.get(out, _tree.split(path)[: len(_tree.split(path)) - len(rest)])
            raise ValueError(
                f"projection {name!r}: {path!r} must name one output of that population. "
                f"Its outputs: {', '.join(sorted(names))}."
            )
        return found


def find(model: Any, path: str, what: str) -> tuple[AbstractComponent, tuple[str, ...]]:
    """The component at `path`, and what of the path leads on into its state or outputs."""
    if not isinstance(path, str):
        raise ValueError(f"{what}: a path is text such as 'V1.E', got {path!r}.")
    root, names = model, _tree.split(path)
    while isinstance(model, Network) and names:
        if names[0] not in model.nodes:
            raise _tree.unknown(what, path, node_paths(root))
        model, names = model.nodes[names[0]], names[1:]
    return model, names


def node_paths(model: AbstractComponent, prefix: str = "") -> list[str]:
    """The paths of all components below a network."""
    if not isinstance(model, Network):
        return []
    paths = []
    for name, node in sorted(model.nodes.items()):
        paths += [prefix + name, *node_paths(node, f"{prefix}{name}.")]
    return paths


def unit_of(model: Any, path: tuple[str, ...]) -> str:
    """The unit of a state variable or an output, `"1"` where none is declared."""
    node: Any = model
    for i, name in enumerate(path):
        if isinstance(node, Network):
            if name in node.nodes:
                node = node.nodes[name]
                continue
            p = node.projections[name]
            part = {"release": p.release, "plasticity": p.plasticity}.get((*path, "")[i + 1])
            if part is not None:
                return part.units.get(".".join(path[i + 2 :]), "1")
            node = p.synapse
        elif name in getattr(node, "channels", {}):
            node = node.channels[name]
        elif name == "ions" and path[i + 1 : i + 2] and path[i + 1] in getattr(node, "ions", {}):
            return node.ions[path[i + 1]].units.get(".".join(path[i + 2 :]), "1")
        elif isinstance(getattr(node, name, None), AbstractComponent):
            node = getattr(node, name)
        else:
            return node.units.get(".".join(path[i:]), "1")
    return "1"


def paths_of(y: PyTree, out: PyTree, mem: PyTree) -> list[str]:
    """Everything that can be recorded."""
    return sorted({*_tree.leaf_paths(y), *_tree.leaf_paths(out), *_tree.leaf_paths(mem)})
