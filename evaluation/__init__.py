"""Measurements: what Calla does on questions it was not built with."""
