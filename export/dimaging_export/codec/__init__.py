"""A learned image codec as a bundle: two networks in float32, between them a prior in whole numbers."""
