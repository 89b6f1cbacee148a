"""What a message means: reading, spelling, clauses, topics, urgency. Nothing here knows Rasa."""
