"""The plain codec as a bundle: proven graphs, and counts that the entropy coder takes."""

import keras
import numpy as np
import pytest
from dimaging_edge import open_bundle
from dimaging_edge.photo import symbols as coder
from dimaging_export import export

from dimaging_tf.models.compressive_autoencoder import CompressiveAutoencoder, Config


@pytest.mark.parametrize(
    ("channels", "precision"), [(1, "fp32"), (3, "fp32"), (1, "int8"), (1, "fp16")]
)
def test_symbols_travel_in_real_bytes(channels, precision, tmp_path):
    keras.utils.set_random_seed(0)
    model = CompressiveAutoencoder(Config((None, None, channels), (8, 8), 4))
    image = np.random.default_rng(0).random((16, 16, 24, channels), np.float32)
    bundle = open_bundle(export(model, tmp_path / "b", data=image, precision=precision))
    assert set(bundle.graphs) == {"compress", "decompress"}
    for checks in bundle.check().values():
        assert all(check.ok for check in checks.values())
    counts = np.fromfile(bundle.path / "counts.bin", "<u2").reshape(-1, 256)
    tables = coder.ScaleTables(np.concatenate([counts[:1], counts]))
    code = bundle.run("compress", image=image[:1])["code"]
    index = np.broadcast_to(1 + np.arange(code.shape[-1]), code.shape)
    whole = tables.clip(np.rint(code), index)
    lanes, (file,) = coder.encode(tables, [(index, whole)])
    reader = coder.RungReader(tables, lanes)
    assert np.array_equal(reader.read(file, index), whole)
    ideal = float(np.sum(model.bits(whole.astype(np.float32)))) / 8
    assert len(file) < 1.05 * ideal + 8
