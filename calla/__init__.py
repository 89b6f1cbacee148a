"""Calla: a conversational FAQ assistant about breast calcifications."""
