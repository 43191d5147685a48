"""`make crash`: every process is killed at every kind of instant, and three separate records judge the result."""
