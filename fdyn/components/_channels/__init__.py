"""Ion channels; one file per paper."""
