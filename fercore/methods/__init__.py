"""Methods: the table of all of them, their objectives, and the batches they see."""
