package io.scopegate.trino;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.airlift.slice.Slices;
import io.trino.spi.type.BigintType;
import io.trino.spi.type.CharType;
import io.trino.spi.type.DateType;
import io.trino.spi.type.VarcharType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

final class MaskTest {
    @ParameterizedTest
    @EnumSource(Mask.class)
    void whatATypeCannotBeShownAsIsNull(Mask mask) {
        assertEquals("CAST(NULL AS bigint)", mask.expression("salary", BigintType.BIGINT, true));
    }

    @Test
    void aMaskIsOfTheColumnsOwnType() {
        assertEquals("CAST(date_trunc('year', \"born\") AS date)", Mask.YEAR.expression("born", DateType.DATE, true));
        assertEquals(
                "CAST(scopegate_hash(CAST(\"email\" AS varchar)) AS varchar(64))",
                Mask.HASH.expression("email", VarcharType.createVarcharType(64), true));
    }

    @Test
    void aHashThatWouldBeCutIsNull() {
        assertEquals(
                "CAST(NULL AS varchar(63))", Mask.HASH.expression("email", VarcharType.createVarcharType(63), true));
        assertEquals("CAST(NULL AS char(63))", Mask.HASH.expression("email", CharType.createCharType(63), true));
        assertEquals(
                "CAST(scopegate_hash(CAST(\"email\" AS varchar)) AS char(64))",
                Mask.HASH.expression("email", CharType.createCharType(64), true));
    }

    @Test
    void theLastFourAreOfMoreThanFourAndPaddingDoesNotCount() {
        assertEquals(
                "CAST(CASE WHEN length(rtrim(CAST(\"pin\" AS varchar))) > 4 THEN substr(rtrim(CAST(\"pin\" AS varchar)), -4)"
                        + " WHEN \"pin\" IS NOT NULL THEN '****' END AS char(9))",
                Mask.LAST4.expression("pin", CharType.createCharType(9), true));
    }

    @Test
    void withoutAKeyThereIsNoHash() {
        assertEquals("CAST(NULL AS varchar)", Mask.HASH.expression("email", VarcharType.VARCHAR, false));
    }

    @Test
    void aNameCannotEndItsQuotes() {
        assertEquals(
                "CAST(CASE WHEN length(CAST(\"a\"\"b\" AS varchar)) > 4 THEN substr(CAST(\"a\"\"b\" AS varchar), -4)"
                        + " WHEN \"a\"\"b\" IS NOT NULL THEN '****' END AS varchar)",
                Mask.LAST4.expression("a\"b", VarcharType.VARCHAR, true));
    }

    @ParameterizedTest
    @ValueSource(strings = {"clear", "hidden", "HASH", "", "sha256"})
    void anUnknownMaskIsRefused(String name) {
        assertThrows(RefusedException.class, () -> Mask.of(name));
    }

    @Test
    void hashesAreKeyedAndEqualForEqualValues() {
        HashFunction.useKey(new byte[32]);
        var one = HashFunction.hash(Slices.utf8Slice("a@x")).toStringUtf8();
        assertEquals(one, HashFunction.hash(Slices.utf8Slice("a@x")).toStringUtf8());
        assertNotEquals(one, HashFunction.hash(Slices.utf8Slice("b@x")).toStringUtf8());
        byte[] other = new byte[32];
        other[0] = 1;
        HashFunction.useKey(other);
        assertNotEquals(one, HashFunction.hash(Slices.utf8Slice("a@x")).toStringUtf8());
        HashFunction.useKey(null);
    }
}
