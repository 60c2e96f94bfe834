"""Read images as a table whose column of role ``image`` holds paths; keep pixels in a cache beside the rows."""
