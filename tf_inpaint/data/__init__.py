"""Where images come from: `sources` gives random access to pictures, `pipeline` batches for training."""
