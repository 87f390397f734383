"""Images and captions of the user, and the protocol of a corpus that judges captions."""
