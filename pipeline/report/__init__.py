"""The report: what the figures say, as a page, as Markdown and as charts."""
