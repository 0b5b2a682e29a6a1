package io.scopegate.trino;

import io.trino.spi.connector.CatalogSchemaTableName;
import io.trino.spi.security.Identity;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * As whom the row filter of a table reads it: rows are told apart by columns that the person may not see. Trino asks the
 * access control about each column of a filter, in the name that the filter says.
 *
 * <p>INVARIANT: nobody who asks Trino anything is this reader. Its name is made at random when the server starts and told
 * to Trino alone; nobody may ask in it; and it has no principal, which everybody who has logged in has.
 */
final class FilterReader {
    private static final int RANDOM_BYTES = 32;

    private final String prefix;

    FilterReader() {
        byte[] random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        prefix = "scopegate-filter-" + HexFormat.of().formatHex(random) + "-";
    }

    String nameFor(CatalogSchemaTableName table) {
        return prefix + table;
    }

    /** Whether somebody may not become that user. */
    boolean isReserved(String user) {
        return user.startsWith(prefix);
    }

    boolean reads(Identity identity, CatalogSchemaTableName table) {
        return identity.getPrincipal().isEmpty() && isEqual(identity.getUser(), nameFor(table));
    }

    boolean readsIn(Identity identity, String catalog) {
        return identity.getPrincipal().isEmpty() && identity.getUser().startsWith(prefix + catalog + ".");
    }

    private static boolean isEqual(String one, String other) {
        return MessageDigest.isEqual(one.getBytes(StandardCharsets.UTF_8), other.getBytes(StandardCharsets.UTF_8));
    }
}
