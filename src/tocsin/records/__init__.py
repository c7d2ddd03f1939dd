"""The record: what was decided and released, as a Merkle log that anybody can check."""
