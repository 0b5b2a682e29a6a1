package io.scopegate.trino;

/** A scope that is not believed. The message is a word for the person; what was read is in none. */
final class RefusedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    RefusedException(String reason) {
        super(reason, null, false, false);
    }
}
