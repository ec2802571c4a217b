/** The beginning of what `npm run explore` visits: every schedule of a few steps. */
import { expect, test } from 'vitest';
import { SmallScope } from './small-scope.ts';
import { smallScopeScratch } from './small-scope-scratch.ts';

const scratch = smallScopeScratch();

test.each([
  { entities: 1, depth: 5, states: 300 },
  { entities: 2, depth: 4, states: 200 },
])(
  'every schedule of $depth steps over $entities entities keeps the promises',
  async ({ entities, depth, states }) => {
    const explored = await new SmallScope({ entities, depth, outOfTime: () => false, scratch }).explore();
    expect(explored.depth).toBe(depth);
    expect(explored.states).toBeGreaterThan(states);
  },
);
