"""Sites that pictures with prompts come from: each module turns one site's answers into records."""
