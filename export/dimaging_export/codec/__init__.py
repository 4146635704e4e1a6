"""A learned image codec as a bundle: an encoder and a decoder in float32, and a prior in whole numbers."""
