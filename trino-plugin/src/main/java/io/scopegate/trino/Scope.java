package io.scopegate.trino;

import com.nimbusds.jwt.JWTClaimsSet;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What a person may see, as the assertion says it.
 *
 * @param tables by {@code catalog.schema.table}; a table that is not in it is closed
 */
record Scope(String person, Instant expires, Map<String, TableScope> tables) {
    private static final long FORMAT = 1;
    private static final Set<String> TABLE_KEYS = Set.of("rows", "sql", "hidden", "masked");

    /**
     * @param filter a predicate over the table's columns
     * @param hidden columns that must not be shown
     * @param masked columns that are shown as something else
     */
    record TableScope(String filter, Set<String> hidden, Map<String, Mask> masked) {}

    /** @throws RefusedException for another format, and for whatever this version does not know */
    static Scope of(JWTClaimsSet claims) {
        if (!Long.valueOf(FORMAT).equals(claims.getClaim("format"))) {
            throw new RefusedException("assertion_format_unknown");
        }
        var tables = new HashMap<String, TableScope>();
        object(claims.getClaim("tables")).forEach((name, table) -> tables.put(name, table(object(table))));
        return new Scope(claims.getSubject(), claims.getExpirationTime().toInstant(), Map.copyOf(tables));
    }

    private static TableScope table(Map<String, Object> table) {
        if (!table.keySet().equals(TABLE_KEYS)) {
            throw new RefusedException("assertion_format_unknown");
        }
        String filter = text(table.get("sql"));
        if (filter.isBlank()) {
            throw new RefusedException("assertion_format_unknown");
        }
        Map<String, Mask> masked = new HashMap<>();
        object(table.get("masked")).forEach((column, mask) -> masked.put(column, Mask.of(text(mask))));
        return new TableScope(filter, texts(table.get("hidden")), Map.copyOf(masked));
    }

    private static String text(Object value) {
        return value instanceof String text ? text : refuse();
    }

    private static Set<String> texts(Object value) {
        return value instanceof List<?> list
                ? list.stream().map(Scope::text).collect(Collectors.toUnmodifiableSet())
                : refuse();
    }

    private static Map<String, Object> object(Object value) {
        if (!(value instanceof Map<?, ?> map)) {
            return refuse();
        }
        var found = new HashMap<String, Object>();
        map.forEach((key, each) -> found.put(text(key), each));
        return found;
    }

    private static <T> T refuse() {
        throw new RefusedException("assertion_format_unknown");
    }
}
