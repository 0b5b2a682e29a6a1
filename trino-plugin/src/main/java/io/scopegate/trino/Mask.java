package io.scopegate.trino;

import io.trino.spi.type.CharType;
import io.trino.spi.type.DateType;
import io.trino.spi.type.TimestampType;
import io.trino.spi.type.TimestampWithTimeZoneType;
import io.trino.spi.type.Type;
import io.trino.spi.type.VarcharType;

/** How a column is shown. What a type cannot be shown as is NULL, never the value. */
enum Mask {
    HASH,
    LAST4,
    YEAR,
    NULL;

    /** @throws RefusedException for a mask that this version does not know */
    static Mask of(String name) {
        return switch (name) {
            case "hash" -> HASH;
            case "last4" -> LAST4;
            case "year" -> YEAR;
            case "null" -> NULL;
            default -> throw new RefusedException("assertion_format_unknown");
        };
    }

    /** The expression that shows {@code column}, of its own type: Trino refuses a mask of another. */
    String expression(String column, Type type, boolean hashable) {
        String quoted = '"' + column.replace("\"", "\"\"") + '"';
        boolean text = type instanceof VarcharType || type instanceof CharType;
        boolean moment =
                type instanceof DateType || type instanceof TimestampType || type instanceof TimestampWithTimeZoneType;
        String shown = switch (this) {
            case HASH -> text && hashable && holdsHash(type) ? HashFunction.NAME + "(CAST(" + quoted + " AS varchar))" : "NULL";
            case LAST4 -> text ? lastFour(type, quoted) : "NULL";
            case YEAR -> moment ? "date_trunc('year', " + quoted + ")" : "NULL";
            case NULL -> "NULL";
        };
        return "CAST(" + shown + " AS " + type.getDisplayName() + ")";
    }

    /** A hash that is cut is no hash: some bits of it are soon guessed, and many values share them. */
    private static boolean holdsHash(Type type) {
        return switch (type) {
            case VarcharType varchar -> varchar.isUnbounded() || varchar.getBoundedLength() >= HashFunction.CHARACTERS;
            case CharType fixed -> fixed.getLength() >= HashFunction.CHARACTERS;
            default -> false;
        };
    }

    private static String lastFour(Type type, String quoted) {
        String text = "CAST(" + quoted + " AS varchar)";
        // A char is padded with blanks, which would count as characters of the value.
        text = type instanceof CharType ? "rtrim(" + text + ")" : text;
        return "CASE WHEN length(" + text + ") > 4 THEN substr(" + text + ", -4) WHEN " + quoted
                + " IS NOT NULL THEN '****' END";
    }
}
