"""Pages for a person to read: a folder each, a section a file, each with its template beside it."""
