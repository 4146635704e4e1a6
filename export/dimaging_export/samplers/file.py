"""The frame around what a sampler writes: a whole ONNX file, and the body of a loop."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import TensorProto, helper

from dimaging_export.convert.to_onnx import DIRECT, OPSET
from dimaging_export.emit.builder import Builder
from dimaging_export.graph.check import nodes_of, verify
from dimaging_export.graph.passes import clean

Tensors = Mapping[str, tuple[int | str, ...]]
"""Name -> shape, "batch" where free."""


def whole_model(
    b: Builder,
    name: str,
    inputs: Tensors,
    outputs: Tensors,
    results: Mapping[str, str],
    integers: Tensors | None = None,
) -> onnx.ModelProto:
    """The file of what `b` holds, swept and checked.

    inputs, integers: float32 and int64; outputs float32, made of the tensors `results` names.
    """
    for output, tensor in results.items():
        b.nodes.append(helper.make_node("Identity", [tensor], [output], name=f"{output}/Identity"))
    ins = _described(TensorProto.INT64, integers or {}) + _described(TensorProto.FLOAT, inputs)
    outs = _described(TensorProto.FLOAT, outputs)
    graph = helper.make_graph(b.nodes, name, ins, outs, b.initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name=DIRECT)
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    clean(model)
    _constants_inward(model.graph)
    verify(model)
    return model


def loop_body(
    b: Builder, name: str, control: tuple[str, str], carried: Sequence[str], outputs: Sequence[str]
) -> onnx.GraphProto:
    """The body of a Loop: control is (index, going); outputs begin with whether to go on."""
    index, going = control
    ins = [
        helper.make_tensor_value_info(index, TensorProto.INT64, []),
        helper.make_tensor_value_info(going, TensorProto.BOOL, []),
        *(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in carried),
    ]
    made, names = {name for node in b.nodes for name in node.output}, []
    for name in outputs:  # no output may be an input, or another output
        fresh = name in made and name not in names
        names.append(name if fresh else b.node("Identity", name))
    condition, *rest = names
    outs = [helper.make_tensor_value_info(condition, TensorProto.BOOL, [])]
    outs += [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in rest]
    return helper.make_graph(b.nodes, name, ins, outs)


def _constants_inward(graph: onnx.GraphProto) -> None:
    """Move each constant that is read in one loop's body alone to there.

    A body is handed whatever it reads from outside anew in each of its rounds, which takes time.
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


def _described(kind: int, tensors: Tensors) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(n, kind, shape) for n, shape in tensors.items()]
