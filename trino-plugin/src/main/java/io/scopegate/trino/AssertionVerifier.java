package io.scopegate.trino;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.jwk.JWKMatcher;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.text.ParseException;
import java.time.Instant;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Believes a scope for its signature, its audience, its time and the person that it is for; all of them. */
final class AssertionVerifier {
    private static final int MAX_CHARACTERS = 32 * 1024;
    private static final int REMEMBERED = 10_000;

    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();
    // Trino asks dozens of times about one query; a signature that was good stays good until the assertion ends.
    private final Map<String, Scope> verified = Collections.synchronizedMap(new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Scope> eldest) {
            return size() > REMEMBERED;
        }
    });

    AssertionVerifier(String issuer, String warehouse, JWKSource<SecurityContext> keys) {
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("scope+jwt")));
        // Pinned here and, by the `alg` of each published key, once more there; never what the header says alone.
        processor.setJWSKeySelector(new NamedKeySelector(keys));
        var claims = new DefaultJWTClaimsVerifier<SecurityContext>(
                warehouse, new JWTClaimsSet.Builder().issuer(issuer).build(), Set.of("sub", "exp", "iat"));
        claims.setMaxClockSkew(0);
        processor.setJWTClaimsSetVerifier(claims);
    }

    /**
     * The scope that {@code assertion} gives {@code user}.
     *
     * @throws RefusedException with a word that says why, and nothing of what was read
     */
    Scope verify(String assertion, String user) {
        if (assertion == null) {
            throw new RefusedException("assertion_missing");
        }
        if (assertion.length() > MAX_CHARACTERS) {
            throw new RefusedException("assertion_too_large");
        }
        Scope scope = verified.get(assertion);
        if (scope == null) {
            scope = Scope.of(claims(assertion));
            verified.put(assertion, scope);
        }
        if (!Instant.now().isBefore(scope.expires())) {
            throw new RefusedException("assertion_expired");
        }
        if (!scope.person().equals(user)) {
            throw new RefusedException("assertion_of_somebody_else");
        }
        return scope;
    }

    private JWTClaimsSet claims(String assertion) {
        try {
            return processor.process(assertion, null);
        } catch (ParseException | BadJOSEException | JOSEException e) {
            throw new RefusedException("assertion_invalid");
        }
    }

    /** A key counts under its own `kid` and for its own `alg`; Nimbus would take one that names neither for any. */
    private static final class NamedKeySelector extends JWSVerificationKeySelector<SecurityContext> {
        NamedKeySelector(JWKSource<SecurityContext> keys) {
            super(Set.of(JWSAlgorithm.ES256, JWSAlgorithm.RS256), keys);
        }

        @Override
        protected JWKMatcher createJWKMatcher(JWSHeader header) {
            JWKMatcher matcher = super.createJWKMatcher(header);
            return matcher == null || header.getKeyID() == null
                    ? null
                    : new JWKMatcher.Builder(matcher).algorithm(header.getAlgorithm()).build();
        }
    }
}
