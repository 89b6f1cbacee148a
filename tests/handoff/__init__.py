"""Hand-off to a person, through the real server and stand-ins for inboxes."""
