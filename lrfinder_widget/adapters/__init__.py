"""Other training frameworks: what each one trains, in the words of `Training`."""
