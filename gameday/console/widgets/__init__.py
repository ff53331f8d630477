"""Parts of the screens. They are given rows and draw them; none of them knows the feed."""
