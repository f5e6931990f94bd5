"""What an operator may set: the model, how it is loaded, and the reference made of it."""
