package io.scopegate.trino;

import io.trino.spi.security.SystemAccessControl;
import io.trino.spi.security.SystemAccessControlFactory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** {@code access-control.name=scopegate}; the other properties are documented in docs/warehouses.md. */
public final class ScopegateAccessControlFactory implements SystemAccessControlFactory {
    static final String WAREHOUSE = "scopegate.warehouse";
    static final String ISSUER = "scopegate.issuer";
    static final String JWKS = "scopegate.jwks-uri";
    static final String PROXY = "scopegate.proxy-user";
    static final String TRUSTED = "scopegate.trusted-users";
    static final String HASH_KEY = "scopegate.hash-key-file";

    /** Shorter keys could be guessed from a few values that somebody knows. */
    private static final int MIN_KEY_BYTES = 32;

    @Override
    public String getName() {
        return "scopegate";
    }

    @Override
    public SystemAccessControl create(Map<String, String> config, SystemAccessControlContext context) {
        var left = new HashMap<>(config);
        left.remove("access-control.name");
        String warehouse = required(left, WAREHOUSE);
        String issuer = required(left, ISSUER);
        String jwks = required(left, JWKS);
        String proxy = required(left, PROXY);
        String hashKey = left.remove(HASH_KEY);
        Set<String> trusted = names(left.remove(TRUSTED));
        if (trusted.contains(proxy)) {
            throw new IllegalArgumentException(TRUSTED + ": the proxy has no rights of its own");
        }
        if (!left.isEmpty()) {
            throw new IllegalArgumentException("unknown properties: " + left.keySet());
        }
        HashFunction.useKey(hashKey == null ? null : key(Path.of(hashKey)));
        var verifier = new AssertionVerifier(issuer, warehouse, KeySource.of(URI.create(jwks)));
        var scoped = new ScopegateAccessControl(proxy, trusted, verifier, HashFunction::hasKey);
        return TrustedUsers.beside(scoped, trusted);
    }

    private static Set<String> names(String list) {
        return list == null
                ? Set.of()
                : Arrays.stream(list.split(",")).map(String::strip).filter(name -> !name.isEmpty()).collect(Collectors.toSet());
    }

    private static String required(Map<String, String> config, String name) {
        String value = config.remove(name);
        if (value == null || value.isBlank()) {
            throw new IllegalArgumentException(name + ": missing");
        }
        return value;
    }

    private static byte[] key(Path file) {
        try {
            byte[] key = Files.readAllBytes(file);
            if (key.length < MIN_KEY_BYTES) {
                throw new IllegalArgumentException(
                        HASH_KEY + ": got " + key.length + " bytes, expected at least " + MIN_KEY_BYTES);
            }
            return key;
        } catch (IOException e) {
            throw new UncheckedIOException(HASH_KEY + ": cannot be read", e);
        }
    }
}
