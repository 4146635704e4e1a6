"""The parts of a bundle: its subject, target, real inputs, graphs, card and files."""
