"""What requests and answers look like. Pure translation: nothing here asks a database."""
