package io.scopegate.trino;

import io.trino.spi.Plugin;
import io.trino.spi.security.SystemAccessControlFactory;
import java.util.List;
import java.util.Set;

/** Trino obeys a scope that Scopegate has signed. */
public final class ScopegatePlugin implements Plugin {
    @Override
    public Iterable<SystemAccessControlFactory> getSystemAccessControlFactories() {
        return List.of(new ScopegateAccessControlFactory());
    }

    @Override
    public Set<Class<?>> getFunctions() {
        return Set.of(HashFunction.class);
    }
}
