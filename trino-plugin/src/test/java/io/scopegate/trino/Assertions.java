package io.scopegate.trino;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/** Assertions as Scopegate signs them, and as it never would. */
final class Assertions {
    static final ECKey KEY = key("one");
    static final String TABLE = "lake.sales.orders";

    private Assertions() {}

    static ECKey key(String id) {
        try {
            return new ECKeyGenerator(Curve.P_256).keyID(id).algorithm(JWSAlgorithm.ES256).generate();
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
    }

    static Map<String, Object> table() {
        return Map.of("rows", "all", "sql", "region = 'EU'", "hidden", List.of("email"), "masked", Map.of("phone", "last4"));
    }

    static String signed(Consumer<JWTClaimsSet.Builder> change) {
        return signed(KEY, new JOSEObjectType("scope+jwt"), change);
    }

    static String signed(ECKey key, JOSEObjectType type, Consumer<JWTClaimsSet.Builder> change) {
        var claims = new JWTClaimsSet.Builder()
                .issuer("https://edge.example")
                .audience("lake")
                .subject("alice")
                .issueTime(new Date())
                .expirationTime(Date.from(Instant.now().plusSeconds(60)))
                .claim("format", 1)
                .claim("tables", Map.of(TABLE, table()));
        change.accept(claims);
        var header = new JWSHeader.Builder(JWSAlgorithm.ES256).type(type).keyID(key.getKeyID()).build();
        var token = new SignedJWT(header, claims.build());
        try {
            token.sign(new ECDSASigner(key));
        } catch (JOSEException e) {
            throw new IllegalStateException(e);
        }
        return token.serialize();
    }

    static AssertionVerifier verifier(Path file, ECKey... keys) {
        publish(file, keys);
        return new AssertionVerifier("https://edge.example", "lake", KeySource.of(file.toUri()));
    }

    static void publish(Path file, ECKey... keys) {
        try {
            Files.writeString(file, new JWKSet(List.of(keys)).toPublicJWKSet().toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
