"""Sources of text: records in three parts."""
