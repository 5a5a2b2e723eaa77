"""The graph of a SavedModel: its nodes, its functions, and the operations that it needs."""

from tensorflow.core.protobuf import saved_model_pb2


def nodes_and_functions(path):
    """All nodes of a SavedModel, those of its functions included, and its functions."""
    model = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    (meta_graph,) = model.meta_graphs
    functions = list(meta_graph.graph_def.library.function)
    inner_nodes = [node for function in functions for node in function.node_def]
    return [*meta_graph.graph_def.node, *inner_nodes], functions


def operations(path):
    """Names of the operations that a SavedModel needs from the libraries that run it."""
    nodes, functions = nodes_and_functions(path)
    return {node.op for node in nodes} - {function.signature.name for function in functions}
