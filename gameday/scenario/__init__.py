"""What is scripted: models, loading with line numbers, checks, presets, schema. Pure."""
