"""Pictures with prompts that are on this disk already: each module turns one kind of collection into records."""
