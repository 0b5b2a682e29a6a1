package io.scopegate.trino;

import io.airlift.slice.Slice;
import io.airlift.slice.Slices;
import io.trino.spi.function.Description;
import io.trino.spi.function.ScalarFunction;
import io.trino.spi.function.SqlType;
import io.trino.spi.type.StandardTypes;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.util.HexFormat;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A keyed hash (HMAC-SHA256, hexadecimal): equal for equal values, and no expression holds the key. Trino lets nobody be
 * kept from calling a function of this kind, so who may write SQL can hash values of his own and compare; Scopegate's
 * guardrails refuse statements that call it.
 */
public final class HashFunction {
    static final String NAME = "scopegate_hash";
    static final int CHARACTERS = 64;

    // Trino calls functions by their class; there is one access control in a server.
    private static volatile SecretKeySpec key;

    private HashFunction() {}

    static void useKey(byte[] bytes) {
        key = bytes == null ? null : new SecretKeySpec(bytes, "HmacSHA256");
    }

    static boolean hasKey() {
        return key != null;
    }

    @ScalarFunction(NAME)
    @Description("Scopegate's mask `hash`")
    @SqlType(StandardTypes.VARCHAR)
    public static Slice hash(@SqlType(StandardTypes.VARCHAR) Slice value) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return Slices.copiedBuffer(HexFormat.of().formatHex(mac.doFinal(value.getBytes())), StandardCharsets.US_ASCII);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("no HMAC-SHA256", e);
        }
    }
}
