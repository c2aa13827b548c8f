"""What a run gave, as a stream of records and as pages made from it."""
