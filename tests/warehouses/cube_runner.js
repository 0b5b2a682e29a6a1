// Reads {query, context, rows} from standard input; prints what queryRewrite makes of it: the rows that its filters
// select, as Cube's operators are documented, or why it refused.
'use strict';

const { queryRewrite } = require(process.argv[2]);

const number = (value) => Number(value);
const same = (a, b) => String(a) === String(b);
const OPERATORS = {
  equals: (value, values) => values.some((each) => same(value, each)),
  gte: (value, [bound]) => number(value) >= number(bound),
  gt: (value, [bound]) => number(value) > number(bound),
  lte: (value, [bound]) => number(value) <= number(bound),
  lt: (value, [bound]) => number(value) < number(bound),
  afterOrOnDate: (value, [bound]) => Date.parse(value) >= Date.parse(bound),
  afterDate: (value, [bound]) => Date.parse(value) > Date.parse(bound),
  beforeOrOnDate: (value, [bound]) => Date.parse(value) <= Date.parse(bound),
  beforeDate: (value, [bound]) => Date.parse(value) < Date.parse(bound),
};

function selects(filter, row) {
  if (filter.and) return filter.and.every((each) => selects(each, row));
  if (filter.or) return filter.or.some((each) => selects(each, row));
  const value = row[filter.member.split('.')[1]];
  return value !== null && value !== undefined && OPERATORS[filter.operator](value, filter.values);
}

let text = '';
process.stdin.on('data', (part) => { text += part; });
process.stdin.on('end', () => {
  const answers = JSON.parse(text).map(({ query, context, rows }) => {
    try {
      const made = queryRewrite(query, { securityContext: context });
      const filters = made.filters.slice((query.filters || []).length);
      return { rows: rows.map((row, n) => (filters.every((filter) => selects(filter, row)) ? n : -1)).filter((n) => n >= 0) };
    } catch (error) {
      return { refused: error.message };
    }
  });
  console.log(JSON.stringify(answers));
});
