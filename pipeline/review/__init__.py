"""People's verdicts: tasks for reviewers, reading what they wrote, and how well they agree."""
