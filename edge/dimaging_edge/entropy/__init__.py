"""The entropy coder of both codecs: rANS, frequency tables, check sums."""
