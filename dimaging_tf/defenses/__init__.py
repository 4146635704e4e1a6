"""What is done against adversarial examples: a file a defence."""
