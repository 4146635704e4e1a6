"""The codecs that come along, for tests of each."""

from dimaging_edge.photo.bundle_model import shipped

BUNDLES = sorted(shipped())
"""All of them: each reads files."""
WRITERS = sorted(name for name, manifest in shipped().items() if "encoder" in manifest.graphs)
"""Those that compress; the others read what they wrote when they were shipped with an encoder."""
