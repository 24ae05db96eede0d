"""A learned policy: trained on some zones and days, judged on others beside DETA, the auction and LOCAL."""
