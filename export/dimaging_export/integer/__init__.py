"""The integer-valued twin of an explicit density, which gives the same bits on every device."""
