"""The page for phones: what it is made of, the server that hands it out, the results that it sends back."""
