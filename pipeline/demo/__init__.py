"""The demo page: a prompt, and what the base model and the adapted one draw of it, side by side."""
