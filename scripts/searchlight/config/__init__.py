"""The configuration: models, messages, reference."""
