/** Faults in comparing, planning, carrying out and in what a run says of itself. */
import { type Bug, bug } from './bug.ts';

const diff = 'unit/diff/diff-shard.test.ts';
const repair = 'unit/repair/repair-shards.test.ts';
const fuse = 'unit/repair/fuse.test.ts';
const kept = 'unit/repair/kept-plan.test.ts';
const simulator = 'simulator/simulator.test.ts';

export const bugsOfRepair: readonly Bug[] = [
  bug(
    'only the first two roots are compared',
    'diff/diff-shard.ts',
    ['if (this.#views.every(({ view })', 'if (this.#views.slice(0, 2).every(({ view })'],
    [diff],
  ),
  bug(
    'a slot that one copy has not is taken for equal',
    'diff/diff-slots.ts',
    ['? summary === other', '? true'],
    [simulator],
  ),
  bug(
    'slots are not held to the root they were announced with',
    'diff/diff-slots.ts',
    ['if (compareBytes(root, composed.root) !== 0) {', 'if (root.length === 1) {'],
    [diff],
  ),
  bug(
    'leaves are not held to the slot digest they were announced with',
    'diff/leaf-cursor.ts',
    ['if (this.givesHeads) return;', 'return;'],
    [diff],
  ),
  bug(
    'a comparison that was cut short says matched',
    'diff/diff-shard.ts',
    [
      "#outcome: DiffOutcome = { outcome: 'inconclusive', reason: 'the comparison was not completed' };",
      "#outcome: DiffOutcome = { outcome: 'matched' };",
    ],
    [diff],
  ),
  bug(
    'a comparison whose budget ran out says what it had found',
    'diff/diff-shard.ts',
    ['if (this.#budgetSpent) return;', ''],
    [diff],
  ),
  bug(
    'who wins is guessed from digests where leaves do not tell',
    'diff/resolve.ts',
    ['if (unknown && unlike) return null;', ''],
    ['unit/diff/resolve.test.ts'],
  ),
  bug(
    'the first copy that has an entity wins',
    'diff/resolve.ts',
    [
      'const order: number = best === null ? 1 : compareLeaves(leaf, best);',
      'const order: number = best === null ? 1 : -1;',
    ],
    [simulator],
  ),
  bug(
    'a kept plan is carried out against newer data',
    'repair/check-standing.ts',
    ['return compareToPlanned(version, expected, spelling) === 0;', 'return true;'],
    [kept],
  ),
  bug(
    'a plan that was edited is carried out',
    'repair/plan-file.ts',
    ["if (sha256 !== computed) throw badField('sha256', sha256);", 'if (sha256 === computed) return;'],
    ['unit/repair/plan-file.test.ts'],
  ),
  bug(
    'the fuse counts after the changes were made',
    'repair/repair-shards.ts',
    [
      "  checkFuse(complete, confirmed);\n  crashPoint('carry:start');",
      '  using _late = { [Symbol.dispose]: () => checkFuse([...plan.shards], confirmed) };',
    ],
    [repair],
  ),
  bug(
    'the fuse counts what is filled in',
    'property/replacement-allowance.ts',
    [
      'return before !== null && before.deleteTime === 0n;',
      'return before === null || before.deleteTime === 0n;',
    ],
    [fuse],
  ),
  bug(
    'a receiver does not count for its own fuse',
    'shard-copy/local-apply.ts',
    [
      'mayReplaceLive: () => replaced < this.#replaceable && ++replaced > 0,',
      'mayReplaceLive: () => ++replaced > 0,',
    ],
    ['contract/local-shard-copy.test.ts'],
  ),
  bug(
    'versions for one copy are sent twice',
    'repair/carry-out.ts',
    [
      'results: await receiver.apply(shipments.map(({ version }) => version)),',
      'results: (await receiver.apply(shipments.map(({ version }) => version)), await receiver.apply(shipments.map(({ version }) => version))),',
    ],
    [repair],
  ),
  bug(
    'what a holder failed to give is forgotten',
    'repair/fetch-winners.ts',
    ['for (const one of asked.slice(answered)) left.push(one);', ''],
    [repair],
  ),
  bug(
    'a round over some copies says converged',
    'round/round-report.ts',
    [
      "return { outcome: 'inconclusive', lost: true, reason: error.message };",
      "return { outcome: 'converged', lost: true, reason: error.message };",
    ],
    [simulator],
  ),
  bug(
    'a copy without a tree is taken for equal to the others',
    'round/listed-equal.ts',
    ['told.length < trees.length || ', ''],
    [simulator],
  ),
  bug(
    'a lost view is compared anew for ever',
    'repair/repair-shard.ts',
    ["error.code === 'generation-gone' && attempt < planAttempts", "error.code === 'generation-gone'"],
    [repair],
  ),
  bug(
    'a cancelled run goes on until a peer that hangs answers',
    'lib/race-signal.ts',
    ["signal.addEventListener('abort', abort, { once: true });", ''],
    [repair, 'unit/repair/fuse.test.ts'],
  ),
];
