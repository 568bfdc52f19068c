"""What clients post and get, a file for each kind of client."""
