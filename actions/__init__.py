"""Custom actions, one subject per module; served by the Rasa SDK's action server."""
