"""Generated sequences with answers: associative recall, induction heads, multi-query associative recall."""
