"""What learned codecs share."""
