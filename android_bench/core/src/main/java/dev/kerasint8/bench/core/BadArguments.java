package dev.kerasint8.bench.core;

/** The call is wrong; the message says what and is for the caller. */
public final class BadArguments extends RuntimeException {
    private static final long serialVersionUID = 1;

    public BadArguments(String message) {
        super(message);
    }
}
