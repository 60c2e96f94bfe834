"""One door to language models: ask, meter, record, replay."""
