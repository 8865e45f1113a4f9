"""Connectivities from tables and from networkx."""

import jax
import networkx as nx
import numpy as np
import pytest

from fdyn.sparse import CSR, Uniform, from_networkx, from_table

KEY = jax.random.key(0)
TABLE = {
    "pre": ["b", "a", "c", "b"],
    "post": ["a", "d", "c", "a"],
    "weight": [1.0, 2.0, 3.0, 4.0],
    "delay": [0.5, 1.0, 1.5, 2.0],
    "neurotransmitter": ["ACH", "GABA", "ACH", "ACH"],
}
DENSE = np.zeros((4, 4))
DENSE[1, 0], DENSE[0, 3], DENSE[2, 2] = 5.0, 2.0, 3.0


def as_csv(path, table):
    rows = zip(*table.values(), strict=True)
    lines = [", ".join(table), *(",".join(map(str, row)) for row in rows), ""]
    path.write_text("\n".join(lines), encoding="utf-8-sig")  # as spreadsheets write it
    return path


def as_structured(table):
    kinds = [(k, "U8" if isinstance(v[0], str) else "f8") for k, v in table.items()]
    return np.array(list(zip(*table.values(), strict=True)), dtype=kinds)


@pytest.mark.parametrize("kind", ["dict", "arrays", "structured", "csv", "str"])
def test_table(kind, tmp_path):
    table = {
        "dict": lambda: TABLE,
        "arrays": lambda: {k: np.array(v) for k, v in TABLE.items()},
        "structured": lambda: as_structured(TABLE),
        "csv": lambda: as_csv(tmp_path / "table.csv", TABLE),
        "str": lambda: str(as_csv(tmp_path / "table.csv", TABLE)),
    }[kind]()
    conn, names = from_table(table, delay="delay")
    assert type(conn) is CSR and names == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(conn.to_dense(), DENSE)
    assert conn.n_synapses == 4  # those of one pair are kept apart
    assert conn.weight.tolist() == [2, 1, 4, 3] and conn.delay.tolist() == [1.0, 0.5, 2.0, 1.5]
    assert from_table(table)[0].delay is None


def test_numbers_as_names(tmp_path):
    table = {"source": [10, 9, 10], "target": [100, 10, 9], "count": [1, 2, 3]}
    for given in (table, as_csv(tmp_path / "t.csv", table)):
        conn, names = from_table(given, pre="source", post="target", weight="count")
        assert names == [9, 10, 100]
        np.testing.assert_array_equal(conn.to_dense(), [[0, 2, 0], [3, 0, 1], [0, 0, 0]])
    mixed = as_csv(tmp_path / "m.csv", {"pre": [10, 9], "post": ["x", 9], "weight": [1, 1]})
    assert from_table(mixed)[1] == ["10", "9", "x"]


def test_order_of_names_and_laws():
    order = ["d", "lonely", "c", "b", "a"]
    conn, names = from_table(TABLE, names=order, weight=[10.0, 20.0, 30.0, 40.0])
    assert names == order and conn.shape == (5, 5)
    dense = np.zeros((5, 5))
    dense[3, 4], dense[4, 0], dense[2, 2] = 50, 20, 30
    np.testing.assert_array_equal(conn.to_dense(), dense)
    conn, _ = from_table(TABLE, weight=1.5, delay=Uniform(1.0, 2.0), key=KEY)
    assert conn.weight.shape == () and 1 <= conn.delay.min() < conn.delay.max() < 2


def test_empty_table(tmp_path):
    conn, names = from_table({"pre": [], "post": [], "weight": []})
    assert names == [] and conn.shape == (0, 0)
    conn, _ = from_table({"pre": [], "post": [], "weight": []}, names=["a", "b"])
    assert conn.shape == (2, 2) and conn.n_synapses == 0
    path = tmp_path / "head.csv"
    path.write_text("pre,post,weight\n")
    assert from_table(path)[0].shape == (0, 0)


def changed(**columns):
    return {**TABLE, **columns}


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: from_table(TABLE, weight="size"), "no column 'size'; it has pre, post, weight"),
        (lambda: from_table(as_structured(TABLE), pre="x"), "no column 'x'; it has pre, post"),
        (lambda: from_table(3), "`table` is int, expected a path"),
        (lambda: from_table(np.zeros((2, 2))), "`table` is ndarray"),
        (lambda: from_table(TABLE, names=["a", "b"]), "2 units of column 'pre'|1 units .* 'c'"),
        (lambda: from_table(TABLE, names=["a", "b", "c", "d", "b"]), "'b' twice"),
        (lambda: from_table(changed(pre=["b", "a"])), "`pre` has 2 rows and `post` has 4"),
        (lambda: from_table(changed(pre=[0.5, 1, 2, 3])), "is float64 of shape"),
        (lambda: from_table(changed(pre=[0, 1, 2, 3])), "units of several types"),
        (lambda: from_table(changed(weight=[1.0, 2.0])), r"`weight` has shape \(2,\)"),
        (lambda: from_table(changed(weight=[1, 2, np.nan, 4])), "`weight` has nan in row 2"),
        (
            lambda: from_table(changed(weight=["1", "", "3", "4"])),
            "`weight` has an empty entry in row 1",
        ),
        (lambda: from_table(changed(weight=["1", "x", "3", "4"])), "`weight` has 'x' in row 1"),
        (lambda: from_table(changed(delay=[1, 2, 3, -4]), delay="delay"), "`delay` has -4.0 ms"),
        (lambda: from_table(TABLE, weight=Uniform(0.0, 1.0)), "expected a `key`"),
        (lambda: from_networkx(np.eye(2)), "`graph` is ndarray"),
        (
            lambda: from_networkx(nx.Graph([("a", "b", {"weight": "x"})])),
            "`weight` has 'x' in the edge 'a' - 'b'",
        ),
        (lambda: from_networkx(nx.path_graph(2)), "edge 0 - 1 has no attribute 'weight'"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_files(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("pre,post,weight\na,b\n")
    with pytest.raises(ValueError, match="line 2 has 2 entries, expected 3: pre, post, weight"):
        from_table(path)
    path.write_text('pre,post,weight\n\n"a\nb",c,1\nb,c,\nc,a,x\n')  # an empty line, a name of two
    with pytest.raises(ValueError, match=r"^`weight` has an empty entry in line 5 of .*table\.csv"):
        from_table(path)
    path.write_text("pre,post,weight\na,b,inf\n")
    with pytest.raises(ValueError, match=r"^`weight` has inf in line 2 of .*table\.csv"):
        from_table(path)
    for mark, name in (("\t", "tabs"), (";", "semicolons")):
        path.write_text(f"pre{mark}post{mark}weight\na{mark}b{mark}1\n")
        with pytest.raises(ValueError, match=f"separated by {name}, but .* by commas.*pandas"):
            from_table(path)
    path.write_text("")
    with pytest.raises(ValueError, match="is empty"):
        from_table(path)


@pytest.mark.parametrize("kind", [nx.Graph, nx.DiGraph, nx.MultiGraph, nx.MultiDiGraph])
def test_networkx(kind):
    rng = np.random.default_rng(0)
    graph = kind()
    graph.add_nodes_from("abcdef")
    for _ in range(30):
        u, v = rng.choice(list("abcde"), 2)  # loops and, in multigraphs, parallel edges
        graph.add_edge(u, v, weight=float(rng.integers(1, 9)), lag=float(rng.random()))
    conn, nodes = from_networkx(graph, delay="lag")
    assert nodes == list("abcdef")
    np.testing.assert_array_equal(conn.to_dense(), nx.to_numpy_array(graph))
    lags = sum(lag for u, v, lag in graph.edges(data="lag"))
    if not graph.is_directed():
        lags = 2 * lags - sum(lag for u, v, lag in graph.edges(data="lag") if u == v)
    np.testing.assert_allclose(conn.delay.sum(), lags)
    plain, _ = from_networkx(graph, weight=2.0)
    assert plain.weight.shape == () and plain.n_synapses == conn.n_synapses


def test_networkx_edges():
    graph = nx.karate_club_graph()
    conn, nodes = from_networkx(graph)
    assert conn.n_synapses == 2 * 78 and len(nodes) == 34
    np.testing.assert_array_equal(conn.to_dense(), nx.to_numpy_array(graph))
    assert from_networkx(nx.Graph())[0].shape == (0, 0)
