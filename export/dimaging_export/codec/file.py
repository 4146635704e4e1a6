"""A program of whole numbers as an ONNX file, channels first inside.

The branch of an If that `pass` does not choose is not computed.
"""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from dimaging_export.codec.program import Program, Step
from dimaging_export.convert.to_onnx import DIRECT, OPSET
from dimaging_export.emit.builder import Builder
from dimaging_export.graph.passes import clean

_FLOAT, _INT32, _INT64, _BOOL = (
    TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
)  # fmt: skip


def prior_file(program: Program, z_channels: int, y_channels: int) -> onnx.ModelProto:
    """Write the prior's file.

    Inputs: z and y, int32 [1, h, w, C]; pass and quality, int64 [1]. Outputs: index and mean, shaped like y.
    """
    b = Builder()
    names = {"quality": "quality", "pass": b.node("Cast", "pass", to=_BOOL)}
    for name in ("z", "y"):
        first = b.node("Transpose", b.node("Cast", name, to=_FLOAT), perm=[0, 3, 1, 2])
        names[name] = first
    _write(b, program, program.steps, names)
    for name in ("index", "mean"):
        last = b.node("Transpose", names[name], perm=[0, 2, 3, 1])
        b.node("Cast", last, to=_INT32)
        b.nodes[-1].output[0] = name
    y, z = ([1, f"{name}_height", f"{name}_width"] for name in ("y", "z"))
    info = helper.make_tensor_value_info
    inputs = [
        info("z", _INT32, [*z, z_channels]), info("y", _INT32, [*y, y_channels]),
        info("pass", _INT64, [1]), info("quality", _INT64, [1]),
    ]  # fmt: skip
    outputs = [info(name, _INT32, [*y, y_channels]) for name in ("index", "mean")]
    graph = helper.make_graph(b.nodes, "prior", inputs, outputs, b.initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name=DIRECT)
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    clean(model)
    return model


def _write(b: Builder, program: Program, steps: list[Step], names: dict[str, str]) -> None:
    """Write the steps in their order, those that only one branch needs inside that branch of its If.

    names: tensor of the program -> its name in the file; it learns the outputs of the steps.
    """
    branches = _branches(program, steps)
    inside = {id(step) for branch in branches.values() for step in branch}
    for step in steps:
        if id(step) in inside:
            continue
        op, output, sources, parameters = step
        if op != "where":
            names[output] = _node(b, program, op, [names[x] for x in sources], parameters)
            continue
        bodies = {}
        for key, source in zip(("then_branch", "else_branch"), sources[1:], strict=True):
            body, known = b.child(), dict(names)
            _write(body, program, branches[source], known)
            value = helper.make_tensor_value_info(known[source], _FLOAT, None)
            bodies[key] = helper.make_graph(body.nodes, source, [], [value])
        names[output] = b.node("If", names[sources[0]], **bodies)


def _branches(program: Program, steps: list[Step]) -> dict[str, list[Step]]:
    """Return for each choice of a `where` the steps that nothing but this choice needs."""
    makes = {step[1]: step for step in steps}

    def needed(name: str, found: dict[str, Step]) -> dict[str, Step]:
        if name in makes and name not in found:
            for source in makes[name][2]:
                needed(source, found)
            found[name] = makes[name]
        return found

    branches = {}
    for op, _, sources, _ in steps:
        if op == "where":
            a, c = (needed(source, {}) for source in sources[1:])
            branches[sources[1]] = [step for name, step in a.items() if name not in c]
            branches[sources[2]] = [step for name, step in c.items() if name not in a]
    return branches


def _node(b: Builder, program: Program, op: str, x: list[str], parameters: dict) -> str:
    given: dict[str, Any] = {
        k: program.arrays.get(v, v) if isinstance(v, str) else v for k, v in parameters.items()
    }
    match op:
        case "conv":
            kernel = given["kernel"].transpose(3, 2, 0, 1)
            half = kernel.shape[2] // 2
            bias = given.get("bias", np.zeros(len(kernel)))
            return b.node(
                "Conv",
                x[0],
                b.constant(kernel, "kernel"),
                b.constant(bias, "bias"),
                pads=[half] * 4,
            )
        case "take":
            table = given["table"][:, :, None, None]
            return b.node("Gather", b.constant(table, "table"), x[0], axis=0)
        case "add" | "mul" if len(x) == 2:
            return b.node(op.title(), *x)
        case "mul" | "plus":
            by = np.full((1, 1, 1, 1), given["by"], np.float32)
            return b.node("Mul" if op == "mul" else "Add", x[0], b.constant(by, "by"))
        case "floor":
            return b.node("Floor", x[0])
        case "clip":
            return b.node(
                "Clip", x[0], b.constant(float(given["low"])), b.constant(float(given["high"]))
            )
        case "depth_to_space":
            return b.node("DepthToSpace", x[0], blocksize=given["by"], mode="DCR")
        case "slice":
            ends = [b.constant([given[key]]) for key in ("start", "stop")]
            return b.node("Slice", x[0], *ends, b.constant([1]))
        case "checkerboard":
            return b.node("Mul", x[0], _squares(b, x[0], given["odd"]))
    raise ValueError(f"op {op!r} has no ONNX form; add it to _node in {__name__}")


def _squares(b: Builder, like: str, odd: int) -> str:
    """Write a float32 map [h, w] that is 1 where row + column has the parity `odd`, else 0."""
    sides = []
    for axis in (2, 3):
        size = b.node("Shape", like, start=axis, end=axis + 1)
        size = b.node("Squeeze", size)
        sides.append(b.node("Range", b.constant(0), size, b.constant(1)))
    rows = b.node("Unsqueeze", sides[0], b.constant([1]))
    parity = b.node("Mod", b.node("Add", rows, sides[1]), b.constant([2]))
    return b.node("Cast", b.node("Equal", parity, b.constant([odd])), to=_FLOAT)
