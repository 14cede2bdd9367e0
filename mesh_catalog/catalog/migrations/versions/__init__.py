"""One module a revision, `NNNN_what.py`. A released revision is never edited."""
