package io.scopegate.trino;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.source.JWKSetCacheRefreshEvaluator;
import com.nimbusds.jose.jwk.source.JWKSetSource;
import com.nimbusds.jose.jwk.source.JWKSetUnavailableException;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.ParseException;

/**
 * Scopegate's published keys, by URL or from a file. A key that is not known has them read anew, at most once in a
 * while; what was read last serves on while they cannot be.
 */
final class KeySource {
    private static final int CONNECT_MILLISECONDS = 2_000;
    private static final int READ_MILLISECONDS = 2_000;
    private static final int MAX_BYTES = 64 * 1024;
    /** What docs/warehouses.md promises: a key that is withdrawn is believed no longer than this. */
    static final long KEPT_MILLISECONDS = 60_000;
    private static final long REFRESH_MILLISECONDS = 5_000;
    /** At most two readings within. */
    private static final long RATE_MILLISECONDS = 5_000;
    private static final long OUTAGE_MILLISECONDS = 24 * 3_600_000L;

    private KeySource() {}

    static JWKSource<SecurityContext> of(URI place) {
        JWKSourceBuilder<SecurityContext> builder = switch (place.getScheme()) {
            case "file" -> JWKSourceBuilder.create(new FileSource(Path.of(place)));
            case "http", "https" -> JWKSourceBuilder.create(url(place), retriever());
            case null, default -> throw new IllegalArgumentException(
                    ScopegateAccessControlFactory.JWKS + ": expected a URL of http, https or file");
        };
        return builder.cache(KEPT_MILLISECONDS, REFRESH_MILLISECONDS)
                .rateLimited(RATE_MILLISECONDS)
                .outageTolerant(OUTAGE_MILLISECONDS)
                .build();
    }

    private static DefaultResourceRetriever retriever() {
        return new DefaultResourceRetriever(CONNECT_MILLISECONDS, READ_MILLISECONDS, MAX_BYTES);
    }

    private static java.net.URL url(URI place) {
        try {
            return place.toURL();
        } catch (MalformedURLException e) {
            throw new IllegalArgumentException(ScopegateAccessControlFactory.JWKS + ": not a URL", e);
        }
    }

    private record FileSource(Path file) implements JWKSetSource<SecurityContext> {
        @Override
        public JWKSet getJWKSet(JWKSetCacheRefreshEvaluator evaluator, long now, SecurityContext context)
                throws JWKSetUnavailableException {
            try {
                if (Files.size(file) > MAX_BYTES) {
                    throw new JWKSetUnavailableException("the key set is longer than " + MAX_BYTES + " bytes");
                }
                return JWKSet.parse(Files.readString(file));
            } catch (IOException | ParseException e) {
                throw new JWKSetUnavailableException("the key set cannot be read", e);
            }
        }

        @Override
        public void close() {}
    }
}
