"""The `dimaging` command, a file for each verb or two."""
