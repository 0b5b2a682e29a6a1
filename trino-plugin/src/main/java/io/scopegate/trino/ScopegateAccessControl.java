package io.scopegate.trino;

import static io.trino.spi.security.AccessDeniedException.denyExecuteQuery;
import static io.trino.spi.security.AccessDeniedException.denyImpersonateUser;
import static io.trino.spi.security.AccessDeniedException.denySelectColumns;
import static io.trino.spi.security.AccessDeniedException.denySetUser;
import static io.trino.spi.security.AccessDeniedException.denyShowColumns;
import static io.trino.spi.security.AccessDeniedException.denyShowSchemas;
import static io.trino.spi.security.AccessDeniedException.denyShowTables;
import static io.trino.spi.security.AccessDeniedException.denyViewQuery;

import io.scopegate.trino.Scope.TableScope;
import io.trino.spi.QueryId;
import io.trino.spi.connector.CatalogSchemaName;
import io.trino.spi.connector.CatalogSchemaRoutineName;
import io.trino.spi.connector.CatalogSchemaTableName;
import io.trino.spi.connector.ColumnSchema;
import io.trino.spi.connector.SchemaTableName;
import io.trino.spi.security.AccessDeniedException;
import io.trino.spi.security.Identity;
import io.trino.spi.security.SystemAccessControl;
import io.trino.spi.security.SystemSecurityContext;
import io.trino.spi.security.ViewExpression;
import java.security.Principal;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/**
 * Shows what the assertion says and nothing else. What is not overridden here, the interface denies: writing,
 * administering, session properties, roles, procedures, and whatever the next Trino adds.
 */
final class ScopegateAccessControl implements SystemAccessControl {
    static final String CREDENTIAL = "scope";

    private static final String INFORMATION_SCHEMA = "information_schema";
    private static final String SYSTEM = "system";
    /** The tables that JDBC drivers read metadata from. Trino fills them with what this class lets through. */
    private static final String JDBC = "jdbc";

    private final String proxy;
    private final Set<String> trusted;
    private final AssertionVerifier assertions;
    private final BooleanSupplier hashable;
    private final FilterReader reader = new FilterReader();

    ScopegateAccessControl(
            String proxy, Set<String> trusted, AssertionVerifier assertions, BooleanSupplier hashable) {
        this.proxy = proxy;
        this.trusted = trusted;
        this.assertions = assertions;
        this.hashable = hashable;
    }

    @Override
    public void checkCanImpersonateUser(Identity identity, String user) {
        // Without an assertion for it, that user sees nothing.
        if (!identity.getUser().equals(proxy)
                || user.equals(proxy)
                || trusted.contains(user)
                || reader.isReserved(user)) {
            denyImpersonateUser(identity.getUser(), user);
        }
    }

    @Override
    @Deprecated
    public void checkCanSetUser(Optional<Principal> principal, String user) {
        if (principal.isEmpty() || !principal.get().getName().equals(proxy) || reader.isReserved(user)) {
            denySetUser(principal, user);
        }
    }

    @Override
    public void checkCanExecuteQuery(Identity identity, QueryId query) {
        try {
            scope(identity);
        } catch (RefusedException e) {
            denyExecuteQuery(e.getMessage());
        }
    }

    @Override
    public void checkCanViewQueryOwnedBy(Identity identity, Identity owner) {
        if (!identity.getUser().equals(owner.getUser())) {
            denyViewQuery();
        }
    }

    @Override
    public Collection<Identity> filterViewQueryOwnedBy(Identity identity, Collection<Identity> owners) {
        return owners.stream().filter(owner -> owner.getUser().equals(identity.getUser())).toList();
    }

    @Override
    public void checkCanKillQueryOwnedBy(Identity identity, Identity owner) {
        checkCanViewQueryOwnedBy(identity, owner);
    }

    @Override
    public boolean canAccessCatalog(SystemSecurityContext context, String catalog) {
        return catalog.equals(SYSTEM)
                || reader.readsIn(context.getIdentity(), catalog)
                || tables(context).keySet().stream().anyMatch(name -> name.startsWith(catalog + "."));
    }

    @Override
    public Set<String> filterCatalogs(SystemSecurityContext context, Set<String> catalogs) {
        return catalogs.stream()
                .filter(catalog -> !catalog.equals(SYSTEM) && canAccessCatalog(context, catalog))
                .collect(Collectors.toSet());
    }

    @Override
    public void checkCanShowSchemas(SystemSecurityContext context, String catalog) {
        if (!canAccessCatalog(context, catalog)) {
            denyShowSchemas();
        }
    }

    @Override
    public Set<String> filterSchemas(SystemSecurityContext context, String catalog, Set<String> schemas) {
        return schemas.stream().filter(schema -> isSchemaOpen(context, catalog, schema)).collect(Collectors.toSet());
    }

    @Override
    public void checkCanShowTables(SystemSecurityContext context, CatalogSchemaName schema) {
        if (!isSchemaOpen(context, schema.getCatalogName(), schema.getSchemaName())) {
            denyShowTables(schema.toString());
        }
    }

    @Override
    public Set<SchemaTableName> filterTables(SystemSecurityContext context, String catalog, Set<SchemaTableName> tables) {
        return tables.stream()
                .filter(table -> isMetadata(catalog, table.getSchemaName())
                        || table(context, new CatalogSchemaTableName(catalog, table)).isPresent())
                .collect(Collectors.toSet());
    }

    @Override
    public void checkCanShowColumns(SystemSecurityContext context, CatalogSchemaTableName table) {
        if (!isMetadata(table) && table(context, table).isEmpty()) {
            denyShowColumns(table.toString());
        }
    }

    @Override
    public Map<SchemaTableName, Set<String>> filterColumns(
            SystemSecurityContext context, String catalog, Map<SchemaTableName, Set<String>> columns) {
        var shown = new HashMap<SchemaTableName, Set<String>>();
        columns.forEach((table, names) ->
                shown.put(table, shown(context, new CatalogSchemaTableName(catalog, table), names)));
        return shown;
    }

    private Set<String> shown(SystemSecurityContext context, CatalogSchemaTableName table, Set<String> columns) {
        if (isMetadata(table)) {
            return columns;
        }
        return table(context, table)
                .map(scope -> columns.stream()
                        .filter(column -> !scope.hidden().contains(column))
                        .collect(Collectors.toSet()))
                .orElse(Set.of());
    }

    @Override
    public void checkCanSelectFromColumns(SystemSecurityContext context, CatalogSchemaTableName table, Set<String> columns) {
        if (isMetadata(table) || reader.reads(context.getIdentity(), table)) {
            return;
        }
        TableScope scope = table(context, table).orElseThrow(() -> closed(table));
        if (columns.stream().anyMatch(scope.hidden()::contains)) {
            denySelectColumns(
                    table.toString(), columns.stream().filter(scope.hidden()::contains).collect(Collectors.toSet()));
        }
    }

    @Override
    public List<ViewExpression> getRowFilters(SystemSecurityContext context, CatalogSchemaTableName table) {
        if (isMetadata(table)) {
            return List.of();
        }
        TableScope scope = table(context, table).orElseThrow(() -> closed(table));
        return List.of(expression(table, scope.filter()).identity(reader.nameFor(table)).build());
    }

    @Override
    public Map<ColumnSchema, ViewExpression> getColumnMasks(
            SystemSecurityContext context, CatalogSchemaTableName table, List<ColumnSchema> columns) {
        if (isMetadata(table)) {
            return Map.of();
        }
        TableScope scope = table(context, table).orElseThrow(() -> closed(table));
        requireLabelled(table, scope, columns);
        var masks = new HashMap<ColumnSchema, ViewExpression>();
        for (ColumnSchema column : columns) {
            Mask mask = scope.hidden().contains(column.getName()) ? Mask.NULL : scope.masked().get(column.getName());
            if (mask != null) {
                String shown = mask.expression(column.getName(), column.getType(), hashable.getAsBoolean());
                masks.put(column, expression(table, shown).build());
            }
        }
        return masks;
    }

    /** A label that meets no column was meant for one that is called otherwise now, and would show clear. */
    private static void requireLabelled(CatalogSchemaTableName table, TableScope scope, List<ColumnSchema> columns) {
        Set<String> names = columns.stream().map(ColumnSchema::getName).collect(Collectors.toSet());
        if (!names.containsAll(scope.hidden()) || !names.containsAll(scope.masked().keySet())) {
            throw new AccessDeniedException(
                    "Cannot select from table " + table + ": the policy labels a column that the table does not have");
        }
    }

    @Override
    public boolean canExecuteFunction(SystemSecurityContext context, CatalogSchemaRoutineName function) {
        // A connector's own functions may pass a query through to its database.
        return function.getCatalogName().equals(SYSTEM) && function.getSchemaName().equals("builtin");
    }

    private static ViewExpression.Builder expression(CatalogSchemaTableName table, String sql) {
        return ViewExpression.builder()
                .catalog(table.getCatalogName())
                .schema(table.getSchemaTableName().getSchemaName())
                .expression(sql);
    }

    private Scope scope(Identity identity) {
        return assertions.verify(identity.getExtraCredentials().get(CREDENTIAL), identity.getUser());
    }

    private Map<String, TableScope> tables(SystemSecurityContext context) {
        try {
            return scope(context.getIdentity()).tables();
        } catch (RefusedException e) {
            return Map.of();
        }
    }

    private Optional<TableScope> table(SystemSecurityContext context, CatalogSchemaTableName table) {
        return Optional.ofNullable(tables(context).get(table.toString()));
    }

    private boolean isSchemaOpen(SystemSecurityContext context, String catalog, String schema) {
        if (isMetadata(catalog, schema)) {
            return canAccessCatalog(context, catalog);
        }
        return tables(context).keySet().stream().anyMatch(name -> name.startsWith(catalog + "." + schema + "."));
    }

    private static boolean isMetadata(CatalogSchemaTableName table) {
        return isMetadata(table.getCatalogName(), table.getSchemaTableName().getSchemaName());
    }

    private static boolean isMetadata(String catalog, String schema) {
        return schema.equals(INFORMATION_SCHEMA) || catalog.equals(SYSTEM) && schema.equals(JDBC);
    }

    private static AccessDeniedException closed(CatalogSchemaTableName table) {
        return new AccessDeniedException("Cannot select from table " + table);
    }
}
