package io.scopegate.trino;

import static io.scopegate.trino.Assertions.KEY;
import static io.scopegate.trino.Assertions.TABLE;
import static io.scopegate.trino.Assertions.signed;
import static io.scopegate.trino.Assertions.table;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.MACSigner;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.PlainJWT;
import com.nimbusds.jwt.SignedJWT;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

final class AssertionVerifierTest {
    private static final JOSEObjectType TYPE = new JOSEObjectType("scope+jwt");

    @TempDir
    Path directory;

    private AssertionVerifier verifier() {
        return Assertions.verifier(directory.resolve("jwks.json"), KEY);
    }

    private String refused(String assertion) {
        return assertThrows(RefusedException.class, () -> verifier().verify(assertion, "alice")).getMessage();
    }

    @Test
    void aGoodAssertionIsTheScopeThatItSays() {
        Scope scope = verifier().verify(signed(claims -> {}), "alice");
        assertEquals(Set.of(TABLE), scope.tables().keySet());
        assertEquals("region = 'EU'", scope.tables().get(TABLE).filter());
        assertEquals(Set.of("email"), scope.tables().get(TABLE).hidden());
        assertEquals(Map.of("phone", Mask.LAST4), scope.tables().get(TABLE).masked());
    }

    @Test
    void noneIsNobodys() {
        assertEquals("assertion_missing", refused(null));
    }

    @Test
    void somebodyElsesIsNotTakenHoweverGood() {
        AssertionVerifier verifier = verifier();
        String assertion = signed(claims -> {});
        verifier.verify(assertion, "alice");
        var refused = assertThrows(RefusedException.class, () -> verifier.verify(assertion, "bob"));
        assertEquals("assertion_of_somebody_else", refused.getMessage());
    }

    @Test
    void oneThatHasEndedIsNotTakenAlsoIfItWasGoodBefore() throws InterruptedException {
        AssertionVerifier verifier = verifier();
        String assertion = signed(claims -> claims.expirationTime(Date.from(Instant.now().plusSeconds(2))));
        verifier.verify(assertion, "alice");
        Thread.sleep(2_100);
        assertEquals(
                "assertion_expired",
                assertThrows(RefusedException.class, () -> verifier.verify(assertion, "alice")).getMessage());
    }

    static Stream<Consumer<JWTClaimsSet.Builder>> foreign() {
        return Stream.of(
                claims -> claims.issuer("https://evil.example"),
                claims -> claims.issuer(null),
                claims -> claims.audience("lake2"),
                claims -> claims.audience("lake/login"),
                claims -> claims.audience((String) null),
                claims -> claims.subject(null),
                claims -> claims.expirationTime(null),
                claims -> claims.expirationTime(Date.from(Instant.now().minusSeconds(1))),
                claims -> claims.notBeforeTime(Date.from(Instant.now().plusSeconds(30))));
    }

    @ParameterizedTest
    @MethodSource("foreign")
    void whatIsForAnotherIsNotTaken(Consumer<JWTClaimsSet.Builder> change) {
        assertEquals("assertion_invalid", refused(signed(change)));
    }

    static Stream<Consumer<JWTClaimsSet.Builder>> unknown() {
        return Stream.of(
                claims -> claims.claim("format", 2),
                claims -> claims.claim("format", "1"),
                claims -> claims.claim("format", null),
                claims -> claims.claim("tables", null),
                claims -> claims.claim("tables", List.of()),
                claims -> claims.claim("tables", Map.of(TABLE, "all")),
                claims -> claims.claim("tables", Map.of(TABLE, with("more", 1))),
                claims -> claims.claim("tables", Map.of(TABLE, without("sql"))),
                claims -> claims.claim("tables", Map.of(TABLE, without("hidden"))),
                claims -> claims.claim("tables", Map.of(TABLE, with("sql", ""))),
                claims -> claims.claim("tables", Map.of(TABLE, with("sql", List.of("TRUE")))),
                claims -> claims.claim("tables", Map.of(TABLE, with("hidden", "email"))),
                claims -> claims.claim("tables", Map.of(TABLE, with("hidden", List.of(1)))),
                claims -> claims.claim("tables", Map.of(TABLE, with("masked", Map.of("phone", "clear")))),
                claims -> claims.claim("tables", Map.of(TABLE, with("masked", Map.of("phone", "hidden")))),
                claims -> claims.claim("tables", Map.of(TABLE, with("masked", List.of("phone")))));
    }

    private static Map<String, Object> with(String key, Object value) {
        var changed = new HashMap<>(table());
        changed.put(key, value);
        return changed;
    }

    private static Map<String, Object> without(String key) {
        var changed = new HashMap<>(table());
        changed.remove(key);
        return changed;
    }

    @ParameterizedTest
    @MethodSource("unknown")
    void whatThisVersionDoesNotKnowIsNotTaken(Consumer<JWTClaimsSet.Builder> change) {
        assertEquals("assertion_format_unknown", refused(signed(change)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"JWT", "at+jwt", "jwt", "scope"})
    void aTokenOfAnotherTypeIsNone(String type) {
        assertEquals("assertion_invalid", refused(signed(KEY, new JOSEObjectType(type), claims -> {})));
        assertEquals("assertion_invalid", refused(signed(KEY, null, claims -> {})));
    }

    @Test
    void aStrangersKeyOpensNothingUnderTheNameOfOurs() {
        assertEquals("assertion_invalid", refused(signed(Assertions.key("one"), TYPE, claims -> {})));
        assertEquals("assertion_invalid", refused(signed(Assertions.key("two"), TYPE, claims -> {})));
    }

    @Test
    void aKeyCountsForItsOwnAlgorithmOnly() {
        var nameless = new ECKey.Builder(KEY).algorithm(null).build();
        var verifier = Assertions.verifier(directory.resolve("jwks.json"), nameless);
        String assertion = signed(claims -> {});
        assertThrows(RefusedException.class, () -> verifier.verify(assertion, "alice"));
        verifier().verify(assertion, "alice");
    }

    @Test
    void anAssertionThatDoesNotSayItsKeyIsNotTaken() {
        var nameless = new ECKey.Builder(KEY).keyID(null).build();
        assertEquals("assertion_invalid", refused(signed(nameless, TYPE, claims -> {})));
        verifier().verify(signed(KEY, TYPE, claims -> {}), "alice");
    }

    @Test
    void keysAreKeptAsLongAsIsPromised() {
        assertEquals(60_000, KeySource.KEPT_MILLISECONDS);
    }

    @Test
    void aSignatureIsNeverLeftOutNorMadeWithThePublicKey() throws Exception {
        JWTClaimsSet claims = SignedJWT.parse(signed(each -> {})).getJWTClaimsSet();
        assertEquals("assertion_invalid", refused(new PlainJWT(claims).serialize()));
        var forged = new SignedJWT(
                new JWSHeader.Builder(JWSAlgorithm.HS256).type(TYPE).keyID("one").build(), claims);
        forged.sign(new MACSigner(KEY.toPublicJWK().toJSONString().getBytes()));
        assertEquals("assertion_invalid", refused(forged.serialize()));
    }

    @Test
    void noByteOfItCanBeChanged() {
        String assertion = signed(claims -> {});
        for (int place : new int[] {3, assertion.indexOf('.') + 3, assertion.lastIndexOf('.') + 3}) {
            char other = assertion.charAt(place) == 'A' ? 'B' : 'A';
            refused(assertion.substring(0, place) + other + assertion.substring(place + 1));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "a.b.c", "eyJ.eyJ.", "\u0000"})
    void whatIsNoTokenIsNone(String text) {
        assertEquals("assertion_invalid", refused(text));
        assertEquals("assertion_too_large", refused("a".repeat(40_000)));
    }

    @Test
    void aNewKeyIsFoundWhenItIsNeeded() {
        Path file = directory.resolve("jwks.json");
        AssertionVerifier verifier = Assertions.verifier(file, KEY);
        verifier.verify(signed(claims -> {}), "alice");
        var next = Assertions.key("next");
        Assertions.publish(file, next, KEY);
        verifier.verify(signed(next, TYPE, claims -> {}), "alice");
    }
}
