"""What `milestones doctor` concludes from facts and records. Pure: no server is asked in here."""
