"""What happens between the scene and the recorded picture, with parameters in physical units."""
