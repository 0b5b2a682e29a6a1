package io.scopegate.trino;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ScopegateAccessControlFactoryTest {
    @TempDir
    Path directory;

    private Map<String, String> good() {
        return new HashMap<>(Map.of(
                "scopegate.warehouse", "lake",
                "scopegate.issuer", "https://edge.example",
                "scopegate.jwks-uri", "https://scopegate:9090/.well-known/jwks.json",
                "scopegate.proxy-user", "proxy"));
    }

    private static void create(Map<String, String> config) {
        new ScopegateAccessControlFactory().create(config, null);
    }

    private static void refused(Map<String, String> config) {
        assertThrows(IllegalArgumentException.class, () -> create(config));
    }

    @Test
    void aWholeConfigurationIsTaken() {
        assertDoesNotThrow(() -> create(good()));
    }

    @ParameterizedTest
    @ValueSource(strings = {"scopegate.warehouse", "scopegate.issuer", "scopegate.jwks-uri", "scopegate.proxy-user"})
    void whatIsMissingKeepsTrinoFromStarting(String name) {
        Map<String, String> config = good();
        config.remove(name);
        refused(config);
        config.put(name, " ");
        refused(config);
    }

    @Test
    void aMisspeltPropertyKeepsTrinoFromStarting() {
        Map<String, String> config = good();
        config.put("scopegate.trusted-user", "loader");
        refused(config);
    }

    @Test
    void theProxyIsNeverTrusted() {
        Map<String, String> config = good();
        config.put("scopegate.trusted-users", "loader, proxy");
        refused(config);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ftp://x/jwks", "jwks.json", "jar:file:/x!/y"})
    void keysComeFromAUrlOrAFile(String uri) {
        Map<String, String> config = good();
        config.put("scopegate.jwks-uri", uri);
        refused(config);
    }

    @Test
    void aShortKeyForHashesIsRefused() throws IOException {
        Path file = Files.write(directory.resolve("key"), new byte[31]);
        Map<String, String> config = good();
        config.put("scopegate.hash-key-file", file.toString());
        refused(config);
        Files.write(file, new byte[32]);
        assertDoesNotThrow(() -> create(config));
    }
}
