"""What people asked and did not get: the journal of turns, the log of unanswered questions, the report."""
