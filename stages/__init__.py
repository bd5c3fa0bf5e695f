"""One module a DVC stage: paths, parameters, one call, one log line."""
