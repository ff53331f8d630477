"""Import and export of other tools' formats: one package or file a format, `files` tells them apart."""
