"""Safety: the screen that finds what owes a medical referral."""
