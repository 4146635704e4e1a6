"""Measures of how good a model is: metrics, plots, rate and distortion."""
