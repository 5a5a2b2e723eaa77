"""Sources of images: `sources` gives random access to pictures, and `pipeline` gives training
batches.

`forms` opens the supported forms of data sets.
"""
