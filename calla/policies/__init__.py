"""Decision: the policies, the referral first."""
