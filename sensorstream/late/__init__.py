"""Late readings: which tag days changed in the source since they were read, and reading just those again."""
