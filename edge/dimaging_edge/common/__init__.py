"""The floor that everything stands on: errors, whole files, tables of text, random numbers, words."""
