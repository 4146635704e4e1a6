"""Processes that tests start find the project of this checkout, installed or not."""

import os

from helpers.pages import ENV

os.environ["PYTHONPATH"] = ENV["PYTHONPATH"]
