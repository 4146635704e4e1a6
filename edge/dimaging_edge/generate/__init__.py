"""Images drawn by exported models: densities, decoders and generators, captions."""
