"""Tables as they are given: read from Parquet or Delta, filtered and changed by a policy, written as files of their own."""
