"""The frame around the nodes of a sampler: a whole ONNX file, or the body of a loop."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

from dimaging_export.convert.to_onnx import DIRECT, OPSET
from dimaging_export.emit.builder import Builder
from dimaging_export.graph.check import nodes_of, verify
from dimaging_export.graph.passes import clean

Tensors = Mapping[str, tuple[int | str, ...]]
"""Name -> shape of a tensor; "batch" where it is free."""
Types = Mapping[str, int]
"""Name -> type of TensorProto, of what is no float32."""


def whole_model(
    b: Builder,
    name: str,
    inputs: Tensors,
    outputs: Tensors,
    results: Mapping[str, str],
    integers: Tensors | None = None,
    types: Types | None = None,
) -> onnx.ModelProto:
    """Make a file of the nodes in `b`, swept and checked.

    inputs: those of float32. integers: inputs of int64. results: output -> the tensor that it is, float32.
    types: those of inputs and outputs that are of another type.
    """
    for output, tensor in results.items():
        b.nodes.append(helper.make_node("Identity", [tensor], [output], name=f"{output}/Identity"))
    whole = dict.fromkeys(integers or {}, TensorProto.INT64)
    ins = _described({**(integers or {}), **inputs}, {**whole, **(types or {})})
    outs = _described(outputs, types or {})
    graph = helper.make_graph(b.nodes, name, ins, outs, b.initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name=DIRECT)
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    clean(model)
    _constants_inward(model.graph)
    verify(model)
    return model


def loop_body(
    b: Builder, name: str, control: tuple[str, str], carried: Sequence[str], outputs: Sequence[str],
    tokens: frozenset[str] = frozenset(),
) -> onnx.GraphProto:  # fmt: skip
    """Make the body of a Loop of the nodes in `b`.

    control: names of (index, whether it goes on). carried: what a round takes from the one before. outputs:
    whether to go on, what the next round takes, and what is collected. tokens: those of the carried tensors
    and outputs that are int64; all others are float32.
    """

    def info(n: str, of: str) -> onnx.ValueInfoProto:
        kind = TensorProto.INT64 if of in tokens else TensorProto.FLOAT
        return helper.make_tensor_value_info(n, kind, None)

    index, going = control
    ins = [
        helper.make_tensor_value_info(index, TensorProto.INT64, []),
        helper.make_tensor_value_info(going, TensorProto.BOOL, []),
        *(info(n, n) for n in carried),
    ]
    made, names = {name for node in b.nodes for name in node.output}, []
    for name in outputs:  # no output may be an input, or another output
        fresh = name in made and name not in names
        names.append(name if fresh else b.node("Identity", name))
    outs = [helper.make_tensor_value_info(names[0], TensorProto.BOOL, [])]
    outs += [info(n, of) for n, of in zip(names[1:], outputs[1:], strict=True)]
    return helper.make_graph(b.nodes, name, ins, outs)


def _constants_inward(graph: onnx.GraphProto) -> None:
    """Move each constant that only one loop's body reads into that body.

    A runtime hands a body what it reads from outside anew in each of its rounds, which takes time.
    """
    bodies = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    reads = [{name for node in nodes_of(body) for name in node.input} for body in bodies]
    here = {name for node in graph.node for name in node.input}
    stay = []
    for tensor in graph.initializer:
        readers = [body for body, names in zip(bodies, reads, strict=True) if tensor.name in names]
        inward = len(readers) == 1 and tensor.name not in here
        (readers[0].initializer if inward else stay).append(tensor)
    del graph.initializer[:]
    graph.initializer.extend(stay)
    for body in bodies:
        _constants_inward(body)


def _described(tensors: Tensors, types: Types) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), shape)
        for n, shape in tensors.items()
    ]
