"""Rules that hold in every case, whatever it is about."""
