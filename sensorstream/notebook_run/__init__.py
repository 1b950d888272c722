"""A run through its notebooks: kernels, Papermill, the report at the end."""
