"""What a bundle is made of: subject, target, real images, card, files."""
