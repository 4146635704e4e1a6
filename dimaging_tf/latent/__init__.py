"""Arithmetic on the codes of decoders and generators."""
