"""Smaller arithmetic and storage: fp16, int8, images as bytes, weights as float16 or bytes."""
