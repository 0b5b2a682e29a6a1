// Cube's side of a scope, rendered by `scopegate render cube`: put it beside cube.js and use it there:
//
//   const scopegate = require('./scopegate');
//   module.exports = { queryRewrite: scopegate.queryRewrite };
//
// Cube must verify the token by Scopegate's published keys, for this warehouse only:
//   CUBEJS_JWK_URL=https://…/.well-known/jwks.json  CUBEJS_JWT_ALGS=ES256
//   CUBEJS_JWT_ISSUER=<assertion.issuer>  CUBEJS_JWT_AUDIENCE=<the warehouse's name>
// A query that cannot be filtered exactly is refused: an exception in here is an answer without rows.
'use strict';

const FORMAT = 1;
const TABLE_KEYS = new Set(['columns', 'hidden', 'masked', 'rows']);
const BOUNDS = {
  from: { date: 'afterOrOnDate', timestamp: 'afterOrOnDate', number: 'gte' },
  after: { date: 'afterDate', timestamp: 'afterDate', number: 'gt' },
  through: { date: 'beforeOrOnDate', timestamp: 'beforeOrOnDate', number: 'lte' },
  before: { date: 'beforeDate', timestamp: 'beforeDate', number: 'lt' },
};

class ScopeError extends Error {}

function refuse(why) {
  throw new ScopeError(`scopegate: ${why}`);
}

// Every member that a query reads: what it shows, what it filters and what it orders by.
function membersOf(query) {
  const members = [];
  for (const key of ['measures', 'dimensions', 'segments']) members.push(...(query[key] || []));
  for (const each of query.timeDimensions || []) members.push(each.dimension);
  const order = query.order || [];
  members.push(...(Array.isArray(order) ? order.map((each) => each[0]) : Object.keys(order)));
  const walk = (filters) => {
    for (const filter of filters || []) {
      if (filter.and || filter.or) walk(filter.and || filter.or);
      else members.push(filter.member || filter.dimension);
    }
  };
  walk(query.filters);
  return members.map((member) => {
    // A member expression is SQL of the client's own.
    if (typeof member !== 'string') refuse('a member that is no name');
    const [cube, name] = member.split('.');
    if (!cube || !name) refuse('a member that is no name');
    return { cube, name };
  });
}

function constraintFilters(member, constraint) {
  if (constraint.in) {
    const values = constraint.in.map(String);
    // No value selects nothing; Cube takes an empty list for no filter at all.
    return values.length ? [{ member, operator: 'equals', values }] : refuse('an empty list');
  }
  const kind = ['date', 'timestamp'].includes(constraint.type) ? constraint.type : 'number';
  if (!['date', 'timestamp', 'integer', 'decimal'].includes(constraint.type)) {
    refuse(`a range of type ${constraint.type}, which Cube cannot compare`);
  }
  const known = Object.keys(constraint).filter((key) => key !== 'type');
  if (!known.length || known.some((key) => !BOUNDS[key])) refuse('a constraint of an unknown form');
  return known.map((key) => ({ member, operator: BOUNDS[key][kind], values: [String(constraint[key])] }));
}

function rowFilters(cube, table) {
  if (table.rows === 'all') return [];
  if (!Array.isArray(table.rows) || !table.rows.length) refuse(`no rows of ${cube}`);
  const alternatives = table.rows.map((alternative) => {
    const filters = Object.entries(alternative).flatMap(([dimension, constraint]) => {
      const column = table.columns[dimension];
      if (!column) refuse(`dimension ${dimension} has no member in ${cube}`);
      return constraintFilters(`${cube}.${column}`, constraint);
    });
    return filters.length ? { and: filters } : refuse('an alternative without a constraint');
  });
  return alternatives.length === 1 ? alternatives[0].and : [{ or: alternatives }];
}

function queryRewrite(query, { securityContext } = {}) {
  const scope = securityContext || {};
  if (scope.format !== FORMAT || typeof scope.tables !== 'object' || scope.tables === null) {
    refuse('no scope that can be read');
  }
  const members = membersOf(query);
  const cubes = [...new Set(members.map((member) => member.cube))];
  if (!cubes.length) refuse('a query of no cube');
  const filters = cubes.flatMap((cube) => {
    const table = Object.prototype.hasOwnProperty.call(scope.tables, cube) ? scope.tables[cube] : null;
    if (!table) refuse(`${cube} is closed`);
    if (Object.keys(table).some((key) => !TABLE_KEYS.has(key))) refuse(`${cube} has a scope of an unknown form`);
    // Cube cannot show a member masked: what is not clear is not shown.
    const closed = new Set([...table.hidden, ...Object.keys(table.masked)]);
    for (const { cube: of, name } of members) {
      if (of === cube && closed.has(name)) refuse(`${cube}.${name} is closed`);
    }
    return rowFilters(cube, table);
  });
  return { ...query, filters: [...(query.filters || []), ...filters] };
}

module.exports = { queryRewrite, ScopeError };
