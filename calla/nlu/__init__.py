"""Thin Rasa components around ``calla.understanding``."""
