"""The chat widget's channel: pages, Socket.IO and requests."""
