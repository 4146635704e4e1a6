"""Samplers draw from explicit densities inside one ONNX file; they compute every activation once."""
