"""Bundles whose graph never answers, to be stopped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
from dimaging_edge.bundle.open import read_manifest
from dimaging_edge.photo.bundle_model import SHIPPED
from onnx import TensorProto, helper, numpy_helper


def endless_graph(graph: onnx.GraphProto) -> onnx.ModelProto:
    """Return a model with the inputs and outputs of a graph that loops for ever and then repeats its input."""
    info = helper.make_tensor_value_info
    first = graph.input[0].name
    value = info("v", graph.input[0].type.tensor_type.elem_type, None)
    out = info("w", graph.input[0].type.tensor_type.elem_type, None)
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Identity", ["v"], ["w"]),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), value],
        [info("again", TensorProto.BOOL, []), out],
    )
    nodes = [helper.make_node("Loop", ["", "go", first], ["last"], body=body)]
    for output in graph.output:
        kind = output.type.tensor_type.elem_type
        nodes.append(helper.make_node("Cast", ["last"], [output.name], to=kind))
    model = helper.make_graph(
        nodes, "endless", list(graph.input), list(graph.output),
        [numpy_helper.from_array(np.array(True), "go")],
    )  # fmt: skip
    return helper.make_model(model, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def endless_bundle(folder: Path, make: SimpleNamespace) -> Path:
    """Write the toy bundle with a decoder that never answers."""
    model = endless_graph(make.decoder().graph)
    make.bundle(folder)
    onnx.save(model, folder / "decoder.onnx")
    make.manifest(folder, read_manifest(folder))
    return folder


def endless_codec(folder: Path, make: SimpleNamespace) -> Path:
    """Write a photo codec whose prior never answers, so that opening it takes for ever."""
    shutil.copytree(SHIPPED / "unet_codec_grey16", folder)
    model = endless_graph(onnx.load(folder / "prior.onnx").graph)
    onnx.save(model, folder / "prior.onnx")
    data = json.loads((folder / "bundle.json").read_text())
    assert data["model"] == "unet_codec"
    make.manifest(folder, replace(read_manifest(folder), model="endless"))
    return folder
