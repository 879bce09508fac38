"""A worker that takes pending jobs and reports what becomes of them."""
