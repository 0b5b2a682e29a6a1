package io.scopegate.trino;

import static io.scopegate.trino.Assertions.KEY;
import static io.scopegate.trino.Assertions.signed;
import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.trino.spi.QueryId;
import io.trino.spi.connector.CatalogSchemaName;
import io.trino.spi.connector.CatalogSchemaRoutineName;
import io.trino.spi.connector.CatalogSchemaTableName;
import io.trino.spi.connector.ColumnMetadata;
import io.trino.spi.connector.ColumnSchema;
import io.trino.spi.connector.SchemaTableName;
import io.trino.spi.security.AccessDeniedException;
import io.trino.spi.security.Identity;
import io.trino.spi.security.SystemAccessControl;
import io.trino.spi.security.SystemSecurityContext;
import io.trino.spi.type.VarcharType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.security.Principal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ScopegateAccessControlTest {
    private static final QueryId QUERY = new QueryId("q");
    private static final CatalogSchemaTableName ORDERS = new CatalogSchemaTableName("lake", "sales", "orders");
    private static final CatalogSchemaTableName SECRETS = new CatalogSchemaTableName("lake", "sales", "secrets");

    @TempDir
    Path directory;

    private SystemAccessControl control(String... trusted) {
        var verifier = Assertions.verifier(directory.resolve("jwks.json"), KEY);
        var scoped = new ScopegateAccessControl("proxy", Set.of(trusted), verifier, () -> false);
        return TrustedUsers.beside(scoped, Set.of(trusted));
    }

    private static Principal principal(String name) {
        return () -> name;
    }

    private static Identity identity(String user, String principal, String assertion) {
        var made = Identity.forUser(user).withPrincipal(principal(principal));
        return (assertion == null ? made : made.withExtraCredentials(Map.of("scope", assertion))).build();
    }

    private static SystemSecurityContext context(Identity identity) {
        return new SystemSecurityContext(identity, QUERY, Instant.now());
    }

    private static SystemSecurityContext alice() {
        return context(identity("alice", "proxy", signed(claims -> {})));
    }

    private static SystemSecurityContext nobody() {
        return context(identity("alice", "proxy", null));
    }

    @Test
    void theScopeIsTheFilterOfItsTable() {
        var filters = control().getRowFilters(alice(), ORDERS);
        assertEquals(List.of("region = 'EU'"), filters.stream().map(each -> each.getExpression()).toList());
    }

    @Test
    void aTableThatIsNotInTheScopeIsClosedAndNotShown() {
        SystemAccessControl control = control();
        assertThrows(AccessDeniedException.class, () -> control.getRowFilters(alice(), SECRETS));
        assertThrows(AccessDeniedException.class, () -> control.checkCanSelectFromColumns(alice(), SECRETS, Set.of()));
        assertThrows(AccessDeniedException.class, () -> control.checkCanShowColumns(alice(), SECRETS));
        assertThrows(AccessDeniedException.class, () -> control.getColumnMasks(alice(), SECRETS, List.of()));
        var shown = control.filterTables(
                alice(), "lake", Set.of(ORDERS.getSchemaTableName(), SECRETS.getSchemaTableName()));
        assertEquals(Set.of(ORDERS.getSchemaTableName()), shown);
    }

    @Test
    void withoutAnAssertionNothingIsOpen() {
        SystemAccessControl control = control();
        assertThrows(AccessDeniedException.class, () -> control.checkCanExecuteQuery(nobody().getIdentity(), QUERY));
        assertThrows(AccessDeniedException.class, () -> control.getRowFilters(nobody(), ORDERS));
        assertThrows(
                AccessDeniedException.class, () -> control.checkCanSelectFromColumns(nobody(), ORDERS, Set.of("region")));
        assertFalse(control.canAccessCatalog(nobody(), "lake"));
        assertEquals(Set.of(), control.filterCatalogs(nobody(), Set.of("lake", "other")));
        assertEquals(Set.of(), control.filterSchemas(nobody(), "lake", Set.of("sales", "information_schema")));
        assertDoesNotThrow(() -> control.checkCanExecuteQuery(alice().getIdentity(), QUERY));
    }

    @Test
    void hiddenColumnsAreNeitherShownNorRead() {
        SystemAccessControl control = control();
        assertThrows(
                AccessDeniedException.class,
                () -> control.checkCanSelectFromColumns(alice(), ORDERS, Set.of("region", "email")));
        assertDoesNotThrow(() -> control.checkCanSelectFromColumns(alice(), ORDERS, Set.of("region", "phone")));
        var shown = control.filterColumns(
                alice(), "lake", Map.of(ORDERS.getSchemaTableName(), Set.of("region", "email"),
                        SECRETS.getSchemaTableName(), Set.of("secret")));
        assertEquals(Set.of("region"), shown.get(ORDERS.getSchemaTableName()));
        assertEquals(Set.of(), shown.get(SECRETS.getSchemaTableName()));
    }

    @Test
    void aRowFilterReadsHiddenColumnsOfItsOwnTable() {
        SystemAccessControl control = control();
        var reader = Identity.ofUser(reader(control));
        assertDoesNotThrow(
                () -> control.checkCanSelectFromColumns(context(reader), ORDERS, Set.of("region", "email")));
        assertTrue(control.canAccessCatalog(context(reader), "lake"));
        assertThrows(
                AccessDeniedException.class,
                () -> control.checkCanSelectFromColumns(context(reader), SECRETS, Set.of("secret")));
        assertFalse(control.canAccessCatalog(context(reader), "lak"));
        // It reads, and that is all: no filter, no name, no query of its own.
        assertThrows(AccessDeniedException.class, () -> control.getRowFilters(context(reader), ORDERS));
        assertThrows(AccessDeniedException.class, () -> control.getColumnMasks(context(reader), ORDERS, List.of()));
        assertThrows(AccessDeniedException.class, () -> control.checkCanExecuteQuery(reader, QUERY));
        assertThrows(AccessDeniedException.class, () -> control.checkCanShowColumns(context(reader), ORDERS));
        assertEquals(Set.of(), control.filterSchemas(context(reader), "lake", Set.of("sales")));
    }

    @Test
    @SuppressWarnings("deprecation")
    void nobodyWhoAsksIsTheReaderOfAFilter() {
        SystemAccessControl control = control("loader");
        String reader = reader(control);
        for (String principal : List.of("proxy", "alice", "loader", reader)) {
            var known = context(identity(reader, principal, signed(claims -> {})));
            assertThrows(
                    AccessDeniedException.class,
                    () -> control.checkCanSelectFromColumns(known, ORDERS, Set.of("email")));
            assertFalse(control.canAccessCatalog(known, "lake"));
        }
        assertThrows(
                AccessDeniedException.class,
                () -> control.checkCanImpersonateUser(identity("proxy", "proxy", null), reader));
        assertThrows(
                AccessDeniedException.class, () -> control.checkCanSetUser(Optional.of(principal("proxy")), reader));
    }

    @Test
    void theReaderOfAFilterIsAnotherInEachServerAndForEachTable() {
        SystemAccessControl one = control();
        SystemAccessControl other = control();
        assertEquals(reader(one), reader(one));
        assertNotEquals(reader(one), reader(other));
        assertThrows(
                AccessDeniedException.class,
                () -> one.checkCanSelectFromColumns(
                        context(Identity.ofUser(reader(other))), ORDERS, Set.of("email")));
        assertTrue(reader(one).length() > 2 * 32, "of at least 32 random bytes");
    }

    private static String reader(SystemAccessControl control) {
        return control.getRowFilters(alice(), ORDERS).get(0).getSecurityIdentity().orElseThrow();
    }

    @Test
    void aHiddenColumnThatIsReadAllTheSameIsNull() {
        var masks = control().getColumnMasks(alice(), ORDERS, List.of(column("email"), column("phone"), column("region")));
        assertEquals("CAST(NULL AS varchar)", masks.get(column("email")).getExpression());
        assertTrue(masks.get(column("phone")).getExpression().startsWith("CAST(CASE WHEN length("));
        assertFalse(masks.containsKey(column("region")));
    }

    @Test
    void aLabelThatMeetsNoColumnClosesTheTable() {
        SystemAccessControl control = control();
        for (var columns : List.of(
                List.of(column("e_mail"), column("phone")), List.of(column("email"), column("telephone")), List.<ColumnSchema>of())) {
            var denied =
                    assertThrows(AccessDeniedException.class, () -> control.getColumnMasks(alice(), ORDERS, columns));
            assertTrue(denied.getMessage().endsWith("labels a column that the table does not have"));
        }
        assertDoesNotThrow(() -> control.getColumnMasks(alice(), ORDERS, List.of(column("email"), column("phone"))));
    }

    private static ColumnSchema column(String name) {
        return ColumnSchema.builder(new ColumnMetadata(name, VarcharType.VARCHAR)).build();
    }

    @Test
    void metadataIsWhatTrinoFillsWithWhatIsOpen() {
        var jdbc = new CatalogSchemaTableName("system", "jdbc", "tables");
        var information = new CatalogSchemaTableName("lake", "information_schema", "tables");
        var queries = new CatalogSchemaTableName("system", "runtime", "queries");
        SystemAccessControl control = control();
        for (var table : List.of(jdbc, information)) {
            assertDoesNotThrow(() -> control.checkCanSelectFromColumns(alice(), table, Set.of("table_name")));
            assertEquals(List.of(), control.getRowFilters(alice(), table));
        }
        assertThrows(AccessDeniedException.class, () -> control.checkCanSelectFromColumns(alice(), queries, Set.of("query")));
        assertEquals(Set.of("lake"), control.filterCatalogs(alice(), Set.of("lake", "other", "system")));
        assertThrows(AccessDeniedException.class, () -> control.checkCanShowTables(alice(), new CatalogSchemaName("lake", "hr")));
    }

    @Test
    void onlyTheProxyAsksInPeoplesNamesAndNeverInItsOwnOrInTrustedOnes() {
        SystemAccessControl control = control("loader");
        Identity proxy = identity("proxy", "proxy", null);
        assertDoesNotThrow(() -> control.checkCanImpersonateUser(proxy, "alice"));
        assertThrows(AccessDeniedException.class, () -> control.checkCanImpersonateUser(proxy, "proxy"));
        assertThrows(AccessDeniedException.class, () -> control.checkCanImpersonateUser(proxy, "loader"));
        for (String other : List.of("alice", "loader")) {
            Identity identity = identity(other, other, signed(claims -> claims.subject(other)));
            assertThrows(AccessDeniedException.class, () -> control.checkCanImpersonateUser(identity, "bob"));
        }
    }

    @Test
    void peopleSeeTheirOwnQueriesOnly() {
        SystemAccessControl control = control();
        Identity alice = alice().getIdentity();
        Identity bob = identity("bob", "proxy", null);
        assertEquals(List.of(alice), List.copyOf(control.filterViewQueryOwnedBy(alice, List.of(alice, bob))));
        assertThrows(AccessDeniedException.class, () -> control.checkCanKillQueryOwnedBy(alice, bob));
        assertDoesNotThrow(() -> control.checkCanKillQueryOwnedBy(alice, alice));
    }

    @Test
    void aConnectorsFunctionsAreClosed() {
        SystemAccessControl control = control();
        assertTrue(control.canExecuteFunction(alice(), new CatalogSchemaRoutineName("system", "builtin", "lower")));
        assertFalse(control.canExecuteFunction(alice(), new CatalogSchemaRoutineName("lake", "system", "query")));
    }

    @Test
    @SuppressWarnings("deprecation")
    void trustedUsersAreTrustedAsWhomTheyHaveLoggedIn() {
        SystemAccessControl control = control("loader");
        var loader = context(identity("loader", "loader", null));
        assertEquals(List.of(), control.getRowFilters(loader, SECRETS));
        assertEquals(Set.of("a"), control.filterCatalogs(loader, Set.of("a")));
        assertTrue(control.canAccessCatalog(loader, "lake"));
        assertDoesNotThrow(() -> control.checkCanDropTable(loader, ORDERS));
        assertDoesNotThrow(() -> control.checkCanSetUser(Optional.of(principal("loader")), "loader"));
        for (var other : List.of(
                context(identity("loader", "proxy", null)),
                context(identity("alice", "loader", null)),
                context(identity("alice", "alice", null)),
                context(Identity.ofUser("loader")))) {
            assertThrows(AccessDeniedException.class, () -> control.getRowFilters(other, SECRETS));
            assertThrows(AccessDeniedException.class, () -> control.checkCanDropTable(other, ORDERS));
        }
        assertThrows(AccessDeniedException.class, () -> control.checkCanSetUser(Optional.of(principal("x")), "loader"));
    }

    /** Whatever the next Trino adds must be closed until somebody has thought about it. */
    @Test
    void everythingThatIsNotForReadingIsDenied() throws Exception {
        Set<String> open = Set.of(
                "checkCanImpersonateUser", "checkCanExecuteQuery", "checkCanViewQueryOwnedBy", "checkCanKillQueryOwnedBy",
                "checkCanShowSchemas", "checkCanShowTables", "checkCanShowColumns", "checkCanSelectFromColumns",
                "canAccessCatalog", "canExecuteFunction");
        var allowed = new ArrayList<String>();
        SystemAccessControl control = control();
        for (Method method : SystemAccessControl.class.getMethods()) {
            boolean decides = method.getName().startsWith("check") || method.getReturnType() == boolean.class;
            if (!decides || open.contains(method.getName())) {
                continue;
            }
            Object[] arguments = new Object[method.getParameterCount()];
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = argument(method.getParameterTypes()[i]);
            }
            try {
                if (!Boolean.FALSE.equals(method.invoke(control, arguments))) {
                    allowed.add(method.getName());
                }
            } catch (InvocationTargetException e) {
                if (!(e.getCause() instanceof AccessDeniedException)) {
                    throw new AssertionError(method.getName(), e.getCause());
                }
            }
        }
        assertEquals(List.of(), allowed);
    }

    private static Object argument(Class<?> type) {
        if (type == SystemSecurityContext.class) {
            return alice();
        }
        if (type == Identity.class) {
            return alice().getIdentity();
        }
        if (type == CatalogSchemaTableName.class) {
            return ORDERS;
        }
        if (type == CatalogSchemaName.class) {
            return new CatalogSchemaName("lake", "sales");
        }
        if (type == CatalogSchemaRoutineName.class) {
            return new CatalogSchemaRoutineName("lake", "sales", "f");
        }
        if (type == SchemaTableName.class) {
            return ORDERS.getSchemaTableName();
        }
        if (type == io.trino.spi.security.TrinoPrincipal.class) {
            return new io.trino.spi.security.TrinoPrincipal(io.trino.spi.security.PrincipalType.USER, "bob");
        }
        if (type == io.trino.spi.connector.EntityKindAndName.class) {
            return new io.trino.spi.connector.EntityKindAndName("TABLE", List.of("lake", "sales", "orders"));
        }
        if (type == io.trino.spi.security.Privilege.class) {
            return io.trino.spi.security.Privilege.SELECT;
        }
        if (type == io.trino.spi.connector.EntityPrivilege.class) {
            return new io.trino.spi.connector.EntityPrivilege("SELECT");
        }
        if (type == QueryId.class) {
            return QUERY;
        }
        if (type == String.class) {
            return "x";
        }
        if (type == boolean.class) {
            return false;
        }
        if (type == Optional.class) {
            return Optional.empty();
        }
        if (type == Map.class) {
            return Map.of();
        }
        return type == Set.class ? Set.of() : null;
    }
}
