"""The truth report: what each stage gets right, told by the miniature, where the truth of every picture is known."""
