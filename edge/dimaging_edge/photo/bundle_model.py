"""A bundle as the model of the photo codec: graphs `encoder`, `prior` and `decoder`, tables as raw files.

One without `encoder` reads files and writes none: shipped models of before stay so, for what they wrote.

The prior must answer the same integers everywhere, and its network is made so; but an engine that
multiplies in half floats breaks that without a word. So before anything is coded it is run on the
bundle's own example; where it answers otherwise, numpy takes its place (`prior.NumpyPrior`).
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from dimaging_edge.bundle.open import Bundle, open_bundle, read_manifest
from dimaging_edge.bundle.schema import Manifest, Tensor
from dimaging_edge.common.errors import BundleError, CodecError, InputError, ProviderError, near
from dimaging_edge.photo.container import QUALITIES, Header
from dimaging_edge.photo.neighbours import NEIGHBOURS, read_tables
from dimaging_edge.photo.prior import PROGRAM, NumpyPrior
from dimaging_edge.photo.symbols import WIDEST
from dimaging_edge.photo.windows import Box, boxes

SHIPPED = Path(__file__).parents[1] / "shipped"
"""The folder of the bundles that come with the package."""
_NEEDED = ("prior", "decoder")
_INTERFACE = {
    "encoder": (("image", "quality"), ("z", "y")),
    "prior": (("z", "y", "pass", "quality"), ("index", "mean")),
    "decoder": (("z", "y", "quality"), ("image",)),
}
"""The inputs and outputs of each graph."""
_PARTS = ("prior_0", "prior_1")
_INTERFACE_PARTS = {
    "prior_0": (("z", "quality"), ("index", "mean")),
    "prior_1": (("z", "y", "quality"), ("index", "mean")),
}
"""The prior of a bundle for a browser or a phone: a graph for each pass."""
_TENSORS = {name: ("int32", 4) for name in ("z", "y", "index", "mean")}
_TENSORS |= {name: ("int64", 1) for name in ("pass", "quality")} | {"image": ("uint8", 4)}
"""The type and number of dimensions of each; images may be uint16, too."""
_COUNTS, _Z_INDEX = "scale_counts.bin", "z_index.bin"

Run = Callable[[str, Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]
"""A function of a graph's name and its inputs that returns its outputs."""


class BundleModel:
    """A `SymbolModel` that runs the graphs of a bundle."""

    def __init__(self, bundle: Bundle):
        """Take an open bundle; InputError for one of another kind, BundleError for one that is not whole."""
        parts = set(_PARTS) <= set(bundle.graphs)
        known = {*bundle.graphs, "prior"} if parts else set(bundle.graphs)
        missing = [name for name in _NEEDED if name not in known]
        if missing:
            raise InputError(
                f"{bundle.path.name} ({bundle.manifest.model}) is no image codec: it has no graph "
                f"{', '.join(missing)}; train and export one: dimaging train unet_codec"
            )
        self.bundle = bundle
        self._parts = _PARTS if parts else ("prior",)
        self.model_id = bytes.fromhex(bundle.manifest.model_id[:32])
        picture = _check_interface(bundle)
        z, y = (bundle.tensor("decoder", name, 4).example[-1] for name in "zy")
        self.z_channels, self.y_channels = z, y
        self.channels = picture.example[-1]
        self.bit_depth = 16 if picture.dtype == "uint16" else 8
        self.halo = bundle.setting("halo", 0, 512, group="codec")
        if self.halo % 32:
            raise BundleError(
                f"bundle.json: config.codec.halo: expected a multiple of 32 up to 512, found {self.halo}"
            )
        sides = picture.shape[1:3]
        self._window = sides[0] if isinstance(sides[0], int) else None
        if self._window is not None and (sides[0] != sides[1] or self._window < 2 * self.halo + 32):
            raise BundleError(
                f"bundle.json: windows of {sides[0]} x {sides[1]} pixels: expected squares of at least "
                f"{2 * self.halo + 32}; export the bundle again"
            )
        self.least = self._window or 0
        self._level = np.dtype(bundle.tensor("decoder", "quality", 1).dtype)
        self.widest = 127 if self.bit_depth == 8 else WIDEST
        self.counts = _table(bundle, _COUNTS, "<u2", 64)
        self._z_index = _table(bundle, _Z_INDEX, "u1", QUALITIES)
        self.neighbours = None
        if NEIGHBOURS in bundle.manifest.files:
            self.neighbours = read_tables(bundle.read(NEIGHBOURS), (z, y))
        self._numpy = None if self._prior_agrees() else self._replacement()

    def encode(self, image: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray]:
        """Run the graph `encoder`; InputError where the bundle has none."""
        if "encoder" not in self.bundle.graphs:
            raise InputError(
                f"{self.bundle.path.name} reads the files that it once wrote and has no encoder to write "
                "any; leave --model out, or give another bundle"
            )
        shape = image.shape[1:3]
        z = np.empty((1, shape[0] // 32, shape[1] // 32, self.z_channels), np.int32)
        y = np.empty((1, shape[0] // 8, shape[1] // 8, self.y_channels), np.int32)
        for box in self._boxes(shape):
            found = self.bundle.run(
                "encoder", image=box.window(image), quality=np.array([quality], self._level)
            )
            box.keep(z, found["z"], 32)
            box.keep(y, found["y"], 8)
        return z, y

    def z_index(self, quality: int) -> np.ndarray:
        """Return a row of the table of z, uint8 [Cz]."""
        return self._z_index[quality]

    def prior(
        self, z: np.ndarray, y: np.ndarray, pass_: int, quality: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the graph `prior`, or numpy in its place."""
        number, level = np.array([pass_], np.int64), np.array([quality], self._level)
        feeds = {"z": z, "y": y, "pass": number, "quality": level}
        if self._numpy:
            found = self._numpy(feeds)
        elif len(self._parts) == 1:
            found = self.bundle.run("prior", **feeds)
        else:
            name = self._parts[pass_]
            wanted = _INTERFACE_PARTS[name][0]
            found = self.bundle.run(name, **{key: feeds[key] for key in wanted})
        return found["index"], found["mean"]

    def decode(self, z: np.ndarray, y: np.ndarray, quality: int) -> np.ndarray:
        """Run the graph `decoder`."""
        shape = 8 * y.shape[1], 8 * y.shape[2]
        image = np.empty((1, *shape, self.channels), f"u{self.bit_depth // 8}")
        level = np.array([quality], self._level)
        for box in self._boxes(shape):
            found = self.bundle.run(
                "decoder", z=box.window(z, 32), y=box.window(y, 8), quality=level
            )
            box.keep(image, found["image"], 1)
        return image

    def _boxes(self, shape: tuple[int, int]) -> list[Box]:
        """Return what the graphs compute at once: everything, or windows of the one size that they take."""
        return boxes(shape, self._window, self.halo)

    def _prior_agrees(self) -> bool:
        return all(
            self._agrees(name, lambda name, x: self.bundle.run(name, **x)) for name in self._parts
        )

    def _agrees(self, name: str, run: Run) -> bool:
        feeds, expected = self.bundle.examples(name)
        found = run(name, feeds)
        return all(np.array_equal(found[key], want) for key, want in expected.items())

    def _replacement(self) -> NumpyPrior:
        words = (
            f"the prior of {self.bundle.path.name} answers other integers on provider "
            f"{self.bundle.provider} than where it was made"
        )
        if PROGRAM not in self.bundle.manifest.files:
            raise ProviderError(
                f"{words}, so files would not be the same elsewhere: use --provider cpu"
            )
        prior = NumpyPrior(self.bundle.read(PROGRAM))

        def in_numpy(name: str, feeds: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
            if name in _PARTS:
                height, width = (4 * side for side in feeds["z"].shape[1:3])
                nothing = np.zeros((1, height, width, self.y_channels), np.int32)
                feeds = {"y": nothing, "pass": np.array([_PARTS.index(name)]), **feeds}
            return prior(feeds)

        if not all(self._agrees(name, in_numpy) for name in self._parts):
            raise BundleError(f"{words}, and so does numpy; export the bundle again")
        warnings.warn(f"{words}; numpy computes it instead, which takes longer", stacklevel=4)
        return prior


def _check_interface(bundle: Bundle) -> Tensor:
    """Return the decoder's picture; BundleError where a graph has another interface than the codec needs."""
    parts = set(_PARTS) <= set(bundle.graphs)
    interface = {k: v for k, v in _INTERFACE.items() if not parts or k != "prior"}
    interface |= _INTERFACE_PARTS if parts else {}
    if "encoder" not in bundle.graphs:
        del interface["encoder"]
    for graph, (inputs, outputs) in interface.items():
        spec = bundle.graph(graph)
        for side, tensors, wanted in (
            ("inputs", spec.inputs, inputs),
            ("outputs", spec.outputs, outputs),
        ):
            found = {tensor.name: (tensor.dtype, len(tensor.shape)) for tensor in tensors}
            expected = {name: _TENSORS[name] for name in wanted}
            expected |= {
                name: (kind, rank)
                for name, (kind, rank) in found.items()
                if (name == "image" in wanted and kind in ("uint8", "uint16") and rank == 4)
                or (name == "quality" in wanted and kind == "int32" and rank == 1)
            }
            if found != expected:
                raise BundleError(
                    f"bundle.json: graphs[{graph!r}].{side}: expected {', '.join(wanted)} as a photo codec "
                    f"has them, found {', '.join(found) or 'none'}; export the bundle again"
                )
    channels = {
        (name, tensor.example[-1])
        for graph in interface
        for tensor in (*bundle.graph(graph).inputs, *bundle.graph(graph).outputs)
        for name in [{"index": "y", "mean": "y"}.get(tensor.name, tensor.name)]
        if len(tensor.shape) == 4
    }
    (picture,) = bundle.graph("decoder").outputs
    if len(channels) != 3 or picture.example[-1] not in (1, 3):
        raise BundleError(
            f"bundle.json: the graphs of the codec differ in the channels of image, z or y: "
            f"{sorted(channels)}; export the bundle again"
        )
    return picture


def _table(bundle: Bundle, name: str, kind: str, rows: int) -> np.ndarray:
    """Return a raw table of the bundle as [rows, ...]; BundleError where it is missing or does not divide."""
    data, width = bundle.read(name), np.dtype(kind).itemsize
    if not data or len(data) % (rows * width):
        raise BundleError(
            f"{name}: expected {rows} rows of {kind}, found {len(data)} bytes; export it again"
        )
    return np.frombuffer(data, kind).reshape(rows, -1)


def find_bundle(header: Header | None, *, channels: int = 3, depth: int = 8) -> Path:
    """Return a shipped bundle: the one that made a file, or the one that compresses pictures of a kind.

    If several fit a kind, it is the one with the fewest channels, then the first by name. CodecError (for a
    file) or InputError names what was wanted, and what is there.
    """
    known = shipped()
    fitting = []
    for name, manifest in known.items():
        if header is not None:
            if manifest.model_id.startswith(header.model_id.hex()):
                return SHIPPED / name
            continue
        if "encoder" not in manifest.graphs:
            continue
        picture = manifest.graphs["encoder"].inputs[0]
        if picture.example[-1] >= channels and (picture.dtype == "uint16") == (depth == 16):
            fitting.append((picture.example[-1], name))
    if fitting:
        return SHIPPED / min(fitting)[1]
    there = ", ".join(f"{name} ({m.model_id[:32]})" for name, m in known.items()) or "none"
    if header is not None:
        raise CodecError(
            f"the file was compressed with model {header.model_id.hex()}; models here: {there}. "
            "Give the bundle that compressed it: --model BUNDLE"
        )
    raise InputError(
        f"no model for {channels} channels of {depth} bits comes with this package; models here: "
        f"{there}. Give one of them, or a bundle of yours: --model BUNDLE"
    )


def shipped() -> dict[str, Manifest]:
    """Return the manifests of the codecs that come with the package, by name.

    The folder holds other bundles, too, for the page of `dimaging-edge app`.
    """
    folders = sorted(path.parent for path in SHIPPED.glob("*/bundle.json"))
    found = {folder.name: read_manifest(folder) for folder in folders}
    return {name: manifest for name, manifest in found.items() if is_codec(manifest)}


def is_codec(manifest: Manifest) -> bool:
    """Return whether a bundle reads compressed photographs, judged by the names of its graphs."""
    graphs = set(manifest.graphs)
    return "decoder" in graphs and bool({"prior", "prior_0"} & graphs)


def located(model: str | Path) -> Path:
    """Return a folder if it is there, or the shipped bundle of that name; InputError for neither."""
    path = along(model)
    if path.exists() or path.name != str(model):
        return path
    known = sorted(folder.parent.name for folder in SHIPPED.glob("*/bundle.json"))
    raise InputError(f"no folder and no shipped model {path.name!r}; {near(path.name, known)}")


def along(bundle: str | Path) -> Path:
    """Return the shipped bundle of that name where no such folder is there, and else the path as it is."""
    path = Path(bundle)
    named = path.name == str(bundle) and not path.exists()
    return (
        SHIPPED / path.name if named and (SHIPPED / path.name / "bundle.json").is_file() else path
    )


def open_model(
    path: str | Path,
    provider: str = "cpu",
    threads: int | None = None,
    *,
    allow_fallback: bool = False,
    limit_s: float | None = None,
) -> BundleModel:
    """Open a bundle, or a shipped one by its name; arguments and errors as `open_bundle`."""
    bundle = open_bundle(
        located(path), provider, threads, allow_fallback=allow_fallback, limit_s=limit_s
    )
    return BundleModel(bundle)
