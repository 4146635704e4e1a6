"""What explicit densities share: the base class, their layers, their likelihoods."""
