"""External data: every file that an ONNX model could reach is found, in any encoding, or the model is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from dimaging_edge import BundleError, open_bundle
from dimaging_edge.bundle.external_data import TREE, external_tensors
from dimaging_edge.bundle.protobuf import encode_field, varint
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

Reseal = Callable[[Path], None]

LOCATIONS = [
    ("../weights.bin", "lies outside the bundle"),
    ("a/../../weights.bin", "lies outside the bundle"),
    ("/etc/hostname", "lies outside the bundle"),
    ("c:/weights.bin", "lies outside the bundle"),
    ("a\\..\\..\\weights.bin", "lies outside the bundle"),
    ("link.bin", "a file that bundle.json does not list"),
    ("stray.bin", "a file that bundle.json does not list"),
    ("", "a file that bundle.json does not list"),
    ("bundle.json", "a file that bundle.json does not list"),
    ("*/_ORT_MEM_ADDR_/*", "a file that bundle.json does not list"),
]


def external_tensor(location: str, **more: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"offset": "0", "location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def place(model: onnx.ModelProto, where: str, tensor: onnx.TensorProto) -> None:
    """Hide a tensor somewhere in a model."""
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=tensor)], "g", [], [])
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner)
    match where:
        case "initializer":
            model.graph.initializer.append(tensor)
        case "attribute":
            model.graph.node.append(inner.node[0])
        case "branch":
            model.graph.node.append(branch)
        case "function":
            model.functions.add(name="f", domain="d").node.append(branch)
        case "default of a function":
            model.functions.add(name="f", domain="d").attribute_proto.add(
                name="a", type=onnx.AttributeProto.TENSOR
            ).t.CopyFrom(tensor)
        case "sparse":
            model.graph.sparse_initializer.add().values.CopyFrom(tensor)
        case "training":
            model.training_info.add().algorithm.CopyFrom(inner)


WHERE = [
    "initializer", "attribute", "branch", "function", "default of a function", "sparse", "training",
]  # fmt: skip


@pytest.mark.parametrize(("location", "says"), LOCATIONS)
@pytest.mark.parametrize("where", WHERE)
def test_external_data_elsewhere_is_refused(
    own: Path, reseal: Reseal, where: str, location: str, says: str
) -> None:
    model = onnx.load(own / "decoder.onnx")
    place(model, where, external_tensor(location))
    (own / "decoder.onnx").write_bytes(model.SerializeToString())
    reseal(own)
    (own / "stray.bin").write_bytes(b"0000")
    (own / "link.bin").symlink_to("/etc/hostname")
    with pytest.raises(BundleError) as caught:
        open_bundle(own)
    assert says in str(caught.value)
    assert repr(location) in str(caught.value)


@pytest.mark.parametrize("where", WHERE[2:])
def test_a_place_whose_file_would_be_opened_unchecked_is_refused(
    own: Path, reseal: Reseal, where: str
) -> None:
    """onnxruntime takes branches' weights from the working directory, whatever it was given in memory."""
    model = onnx.load(own / "decoder.onnx")
    place(model, where, external_tensor("listed.bin"))
    (own / "decoder.onnx").write_bytes(model.SerializeToString())
    (own / "listed.bin").write_bytes(b"0000")
    reseal(own)
    with pytest.raises(BundleError, match=r"'listed\.bin' for a branch, a function or a sparse"):
        open_bundle(own)


@pytest.mark.parametrize("inside", ["", "weights/"])
def test_listed_external_data_is_used(
    own: Path, reseal: Reseal, inside: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_bundle(own).run("decoder", z=np.ones((2, 4), np.float32))["image"]
    (own / inside).mkdir(exist_ok=True)
    model = onnx.load(own / "decoder.onnx")
    onnx.save(
        model, own / "decoder.onnx", save_as_external_data=True, location=f"{inside}decoder.bin",
        size_threshold=512,
    )  # fmt: skip
    reseal(own)
    found = external_tensors((own / "decoder.onnx").read_bytes(), "decoder.onnx")
    assert [one.location for one in found] == [f"{inside}decoder.bin"]
    bundle = open_bundle(own)
    (own / f"{inside}decoder.bin").rename(own / "gone")
    (tmp_path / "decoder.bin").write_bytes(
        bytes(1024)
    )  # of another model, in the working directory
    monkeypatch.chdir(tmp_path)
    after = bundle.run("decoder", z=np.ones((2, 4), np.float32))["image"]
    np.testing.assert_array_equal(before, after)
    (own / f"{inside}decoder.bin").write_bytes(bytes(1024))
    with pytest.raises(BundleError, match=r"decoder\.bin was changed"):
        open_bundle(own)


BEYOND = [
    ({"offset": "4"}, "from byte 4 on, which has 3 bytes"),
    ({"length": "4"}, "from byte 0 on, which has 3 bytes"),
    ({"offset": "2", "length": "2"}, "from byte 2 on, which has 3 bytes"),
    ({"offset": "-1"}, "an offset or length of b'-1' bytes"),
    ({"length": "0x4"}, "an offset or length of b'0x4' bytes"),
    ({"offset": "99999999999999999999"}, "an offset or length of b'9999"),
]


@pytest.mark.parametrize(("more", "says"), BEYOND)
def test_bytes_beyond_the_file_are_refused(
    own: Path, reseal: Reseal, more: dict[str, str], says: str
) -> None:
    model = onnx.load(own / "decoder.onnx")
    place(model, "initializer", external_tensor("w.bin", **more))
    (own / "decoder.onnx").write_bytes(model.SerializeToString())
    (own / "w.bin").write_bytes(b"123")
    reseal(own)
    with pytest.raises(BundleError) as caught:
        open_bundle(own)
    assert says in str(caught.value)


def _varint(value: int, padding: int = 0) -> bytes:
    found = bytearray()
    while value > 127 or padding:
        found.append(value & 127 | 128)
        value >>= 7
        padding -= value == 0 and padding > 0
    return bytes([*found, value])


def model_bytes(*parts: bytes) -> bytes:
    """A model that is valid up to its graph, and these bytes after it."""
    model = helper.make_model(helper.make_graph([], "g", [], []), ir_version=8)
    return model.SerializeToString() + b"".join(parts)


GRAPH = encode_field(5, external_tensor("../secret.bin").SerializeToString())
"""The content of a graph with an initializer outside."""
NO_ONNX = [
    (b"", "is empty"),
    (b"\xff\xff\xff", "is no valid ONNX model"),
    (b"hello, world", "is no valid ONNX model"),
    (b"\x3a\x7f", "runs past the end"),
    (b"\x3d\0\0", "runs past the end"),
    (b"\x0b", "unknown wire type 3"),
    (b"\x80" * 30, "more than 64 bits"),
    (b"\x02\0", "a tag of field 0"),
    (b"\x10\0\0\0ORTM\0\0", "in the format ORT"),
    (model_bytes(_varint(0x3A | 1 << 32), _varint(len(GRAPH)), GRAPH), "a tag of field 536870919"),
    (model_bytes(_varint(0x3A | 1 << 63), _varint(len(GRAPH)), GRAPH), "a tag of field"),
    (model_bytes(b"\x3a", _varint(len(GRAPH), 1), GRAPH), "not in its shortest form"),
    (model_bytes(_varint(0x3A, 1), _varint(len(GRAPH)), GRAPH), "not in its shortest form"),
    (model_bytes(b"\x08\x88\x00"), "not in its shortest form"),
    (model_bytes(b"\x08" + b"\xff" * 9 + b"\x02"), "more than 64 bits"),
    (
        helper.make_model(
            helper.make_graph([helper.make_node("EPContext", [], ["y"], domain="com.microsoft")], "g", [], [])
        ).SerializeToString(),
        "the operator EPContext, which reads files",
    ),
    (encode_field(7, encode_field(5, external_tensor("a").SerializeToString() + encode_field(13, encode_field(1, b"location")))), "two entries 'location'"),
    (encode_field(7, encode_field(5, external_tensor("a\0b").SerializeToString())), "no name of a file"),
    (encode_field(7, encode_field(5, encode_field(13, encode_field(1, b"location") + encode_field(2, b"\xff")))), "is no valid ONNX model"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says"), NO_ONNX)
def test_no_onnx_file(own: Path, reseal: Reseal, data: bytes, says: str) -> None:
    (own / "decoder.onnx").write_bytes(data)
    reseal(own)
    with pytest.raises(BundleError, match=r"decoder\.onnx is ") as caught:
        open_bundle(own)
    assert says in str(caught.value)


def test_nested_without_end_is_refused() -> None:
    message = b""
    for field in (6, 5, 1) * 300 + (7,):  # a graph in an attribute of a node of a graph of a model
        message = encode_field(field, message)
    with pytest.raises(BundleError, match=r"deep\.onnx is no valid ONNX model \(messages nested"):
        external_tensors(message, "deep.onnx")


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_have_one_form(value: int) -> None:
    assert varint(_varint(value), 0) == (value, len(_varint(value)))
    with pytest.raises(ValueError, match=r"shortest form|64 bits"):
        varint(_varint(value, 1), 0)


def test_the_walk_knows_every_way_to_a_tensor() -> None:
    """Compared with the descriptors of the onnx package: a new field of onnx.proto fails here."""
    names = {
        "ModelProto": "model", "TrainingInfoProto": "training", "FunctionProto": "function",
        "GraphProto": "graph", "NodeProto": "node", "AttributeProto": "attribute",
        "SparseTensorProto": "sparse", "TensorProto": "tensor", "StringStringEntryProto": "entry",
    }  # fmt: skip
    found = {}
    for name, ours in names.items():
        fields = getattr(onnx, name).DESCRIPTOR.fields
        children = {f.number: names.get(f.message_type.name) for f in fields if f.message_type}
        children = {number: child for number, child in children.items() if child}
        if ours != "tensor":  # metadata are pairs, too
            children = {number: child for number, child in children.items() if child != "entry"}
        found[ours] = {n: c for n, c in children.items() if ours != "tensor" or n == 13}
    del found["entry"]
    assert found == TREE
    leads = {descriptor for descriptor in names if descriptor != "StringStringEntryProto"}
    for other in onnx.ModelProto.DESCRIPTOR.file.message_types_by_name.values():
        if other.name not in names:
            kinds = {f.message_type.name for f in other.fields if f.message_type}
            assert not kinds & leads, f"{other.name} leads to a tensor"


def their_locations(data: bytes) -> list[str]:
    """Return what the onnx package finds, at any depth."""
    found: list[str] = []

    def visit(message) -> None:
        if message.DESCRIPTOR.name == "TensorProto":
            keys = {entry.key: entry.value for entry in message.external_data}
            found.extend([keys["location"]] if "location" in keys else [])
        for field, value in message.ListFields():
            if field.message_type:
                for one in value if field.is_repeated else [value]:
                    visit(one)

    visit(onnx.ModelProto.FromString(data))
    return found


def _seed(where: str) -> bytes:
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [helper.make_tensor("v", TensorProto.INT64, [2], [-1, 300])],
    )  # fmt: skip
    model = helper.make_model(graph, ir_version=8)
    place(model, where, external_tensor("w.bin", length="4"))
    return model.SerializeToString()


SEEDS = [_seed(where) for where in WHERE]
EDITS = st.lists(
    st.tuples(
        st.integers(0, 1 << 16),  # where, modulo the length
        st.integers(0, 3),  # bytes that go
        st.one_of(
            st.binary(max_size=4),
            st.sampled_from(
                [b"\x3a", b"\x2a", b"\x6a", b"\xba\x80\x80\x80\x10", b"\x80\x00", GRAPH]
            ),
        ),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(seed=st.sampled_from(SEEDS), edits=EDITS)
@example(seed=SEEDS[0], edits=[(0, 0, b"")])
@example(seed=SEEDS[0], edits=[(1 << 16, 0, _varint(0x3A | 1 << 32) + _varint(len(GRAPH)) + GRAPH)])
def test_what_is_accepted_means_the_same_to_onnx(
    seed: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    data = seed
    for at, gone, new in edits:
        at = at % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    try:
        ours = [one.location for one in external_tensors(data, "m.onnx")]
    except BundleError:
        return
    try:
        theirs = their_locations(data)
    except (DecodeError, UnicodeDecodeError):
        return  # then nothing is loaded
    assert sorted(ours) == sorted(theirs)
