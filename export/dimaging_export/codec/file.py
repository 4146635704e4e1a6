"""A program of whole numbers as an ONNX file, channels first inside.

The branch of an If that `pass` does not choose is not computed. For devices that compile no If there is a
file for each pass.
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


def prior_file(
    program: Program, z_channels: int, y_channels: int, number: int | None = None
) -> onnx.ModelProto:
    """Write the prior's file, or with `number` that of one pass.

    Inputs: z and y, int32 [1, h, w, C]; pass and quality, int64 [1]. Outputs: index and mean, shaped like y.
    A file of one pass has no input `pass`, that of pass 0 no `y`, and quality is int32.
    """
    b = Builder()
    names = {"quality": "quality"}
    if number is None:
        names["pass"] = b.node("Cast", "pass", to=_BOOL)
    for name in ("z", "y") if number != 0 else ("z",):
        first = b.node("Transpose", b.node("Cast", name, to=_FLOAT), perm=[0, 3, 1, 2])
        names[name] = first
    if number is None:
        _write(b, program, program.steps, names)
    else:
        _write_pass(b, program, number, names)
    for name in ("index", "mean"):
        last = b.node("Transpose", names[name], perm=[0, 2, 3, 1])
        b.node("Cast", last, to=_INT32)
        b.nodes[-1].output[0] = name
    y, z = ([1, f"{name}_height", f"{name}_width"] for name in ("y", "z"))
    info = helper.make_tensor_value_info
    inputs = [info("z", _INT32, [*z, z_channels])]
    if number != 0:
        inputs.append(info("y", _INT32, [*y, y_channels]))
    if number is None:
        inputs.append(info("pass", _INT64, [1]))
    inputs.append(info("quality", _INT64 if number is None else _INT32, [1]))
    outputs = [info(name, _INT32, [*y, y_channels]) for name in ("index", "mean")]
    name = "prior" if number is None else f"prior_{number}"
    graph = helper.make_graph(b.nodes, name, inputs, outputs, b.initializers)
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], producer_name=DIRECT)
    model.ir_version = helper.find_min_ir_version_for(list(model.opset_import))
    clean(model)
    return model


def _write_pass(b: Builder, program: Program, number: int, names: dict[str, str]) -> None:
    """Write the steps that one pass needs, in their order."""
    makes = {step[1]: step for step in program.steps}
    needed, open_ = set(), ["index", "mean"]
    while open_:
        name = open_.pop()
        if name not in makes or name in needed:
            continue
        needed.add(name)
        op, _, sources, _ = makes[name]
        # `where` takes its second source in pass 1 and its third in pass 0.
        open_ += [sources[2 - number]] if op == "where" else sources
    for op, output, sources, parameters in program.steps:
        if output not in needed:
            continue
        if op == "where":
            names[output] = names[sources[2 - number]]
        else:
            names[output] = _node(b, program, op, [names[x] for x in sources], parameters)


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
