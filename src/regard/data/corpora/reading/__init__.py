"""Reading text files: lines, aligned lines and the columns of tables."""
