"""The page on which people judge pairs and pictures: queues, journal, pictures from shards, server, the page."""
