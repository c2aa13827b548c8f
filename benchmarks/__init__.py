"""Jobwire beside other job queues, in one run, on one server. See README.md."""
