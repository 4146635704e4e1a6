"""The `dimaging-edge` command, one file for each group of verbs."""
