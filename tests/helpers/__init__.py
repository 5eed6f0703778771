"""What several tests share."""

from searchlight.job import limit_threads

# Before torch is imported, which asks once: threads of two workers on two cores wait for each other.
limit_threads(1)
