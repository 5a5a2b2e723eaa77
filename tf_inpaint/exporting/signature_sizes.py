"""Sizes of the signatures of a SavedModel: how many bytes of the file each one needs."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tensorflow.core.framework import graph_pb2, node_def_pb2
from tensorflow.core.protobuf import saved_model_pb2


def signature_sizes(path: Path) -> dict[str, int]:
    """The number of bytes that each signature needs, by name.

    An export with one signature has about this size. Signatures share the networks, so all of them
    together need less than the sum.

    Args:
        path: the folder of the SavedModel.
    """
    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    (meta_graph,) = model.meta_graphs
    return {
        name: reachable_bytes(
            meta_graph.graph_def, [info.name for info in signature.outputs.values()]
        )
        for name, signature in meta_graph.signature_def.items()
        if not name.startswith("__")
    }


def reachable_bytes(graph: graph_pb2.GraphDef, outputs: Iterable[str]) -> int:
    """The number of bytes of the nodes and functions that compute these outputs."""
    all_nodes = {node.name: node for node in graph.node}
    all_functions = {function.signature.name: function for function in graph.library.function}
    nodes = reachable(map(node_name, outputs), all_nodes, lambda node: map(node_name, node.input))
    functions = reachable(
        called_functions(all_nodes[name] for name in nodes),
        all_functions,
        lambda function: called_functions(function.node_def),
    )
    parts = [all_nodes[name] for name in nodes] + [all_functions[name] for name in functions]
    return sum(part.ByteSize() for part in parts)


def reachable(names: Iterable[str], items: Mapping, next_names: Callable) -> set[str]:
    """The names of all items that can be reached.

    Args:
        names: where to begin.
        items: all items by name. Other names lead nowhere.
        next_names: the names that an item leads to.
    """
    waiting, visited = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in items and name not in visited:
            visited.add(name)
            waiting.extend(next_names(items[name]))
    return visited


def node_name(tensor: str) -> str:
    """The name of the node that gives an input of another node: `a` for `a:0` and for `^a`."""
    return tensor.removeprefix("^").split(":")[0]


def called_functions(nodes: Iterable[node_def_pb2.NodeDef]) -> list[str]:
    """The names of the functions that nodes call."""
    return [
        function.name
        for node in nodes
        for value in node.attr.values()
        for function in (value.func, *value.list.func)
        if function.name
    ]
