"""BLIP through salesforce-lavis, in a process of its own beside its old packages (``blip.backend: lavis``)."""
