"""Smaller arithmetic and storage: fp16, int8, images as bytes, weights as halves or bytes."""
