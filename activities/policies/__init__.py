"""One judgement per file: how sure, how far, whether a person must decide, and what to do."""
