"""Row filters in the query languages of APIs, and what of a client's own query may stand beside them."""
