"""The signatures of a MetaGraphDef, read from its bytes.

By hand from protocol buffers' wire format: every package that defines the message imports
TensorFlow, and `cpp_loader` runs in processes that must not.
"""

DTYPES = {1: "float32", 2: "float64", 3: "int32", 4: "uint8", 7: "string", 9: "int64", 10: "bool"}


def varint(data, at):
    """Gives the number that starts at `at`, and where it ends."""
    number, shift = 0, 0
    while True:
        byte = data[at]
        number, shift, at = number | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return number, at


def fields(data):
    """Yields (field number, value) of a message in wire format; value: an int, or bytes
    (messages, strings)."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        else:
            length, at = varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
            value, at = data[at : at + length], at + length
        yield key >> 3, value


def entries(data, number):
    """The map<string, message> of one field, as {name: the message's bytes}."""
    pairs = (dict(fields(value)) for key, value in fields(data) if key == number)
    return {pair.get(1, b"").decode(): pair.get(2, b"") for pair in pairs}


def tensor_info(data):
    """(tensor name, dtype, shape) of a TensorInfo; -1 for a free dimension, shape None for a
    free rank."""
    info = dict(fields(data))
    shape, unknown = [], 0
    for key, value in fields(info.get(3, b"")):
        if key == 2:
            size = dict(fields(value)).get(1, 0)
            shape.append(size - 2**64 if size >= 2**63 else size)
        elif key == 3:
            unknown = value
    return info[1].decode(), DTYPES.get(info[2], info[2]), None if unknown else tuple(shape)


def read_signatures(meta_graph):
    """{name: ({input: tensor_info}, {output: tensor_info})} of a MetaGraphDef's bytes."""
    return {
        name: tuple(
            {key: tensor_info(info) for key, info in entries(signature, side).items()}
            for side in (1, 2)
        )
        for name, signature in entries(meta_graph, 5).items()
        if not name.startswith("__saved_model")
    }
