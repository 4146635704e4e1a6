"""What recurrent systems share: a state that goes from batch to batch, and models of text."""
