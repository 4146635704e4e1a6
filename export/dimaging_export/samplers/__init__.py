"""Drawing from explicit densities inside one ONNX file, every activation computed once."""
