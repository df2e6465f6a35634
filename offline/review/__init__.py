"""Expert validation of key frames: a page to look at clips, the table it writes, and what is made of it."""
