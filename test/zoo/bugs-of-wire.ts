/** Faults in what replicas say to each other, whom they believe, and when they are visited. */
import { type Bug, bug } from './bug.ts';

const peerClient = 'damage/peer-client.test.ts';
const cursor = 'unit/diff/leaf-cursor.test.ts';
const diff = 'unit/diff/diff-shard.test.ts';
const order = 'unit/property/order.test.ts';
const schedule = 'unit/schedule/schedule.test.ts';

export const bugsOfWire: readonly Bug[] = [
  bug(
    'a page of slots ends one slot early',
    'peer/wire-pages.ts',
    ['yield encodeSlots(gathered.slice(0, rowsMax));', 'yield encodeSlots(gathered.slice(0, rowsMax - 1));'],
    ['unit/peer/wire-pages.test.ts'],
  ),
  bug(
    'a page of leaves repeats the last leaf of the one before',
    'peer/wire-pages.ts',
    [
      'encodeLeafPage(slot, leaves.slice(from, to), headSlots',
      'encodeLeafPage(slot, leaves.slice(Math.max(0, from - 1), to), headSlots',
    ],
    ['unit/peer/wire-pages.test.ts'],
  ),
  bug(
    'pages may be larger than a receiver takes',
    'peer/wire-pages.ts',
    ['if (to > from && bytes + more + size > pageBytesMax) break;', ''],
    ['unit/peer/wire-pages.test.ts'],
  ),
  bug(
    'a leaf twice in a slot is passed on',
    'diff/leaf-cursor.ts',
    ['compareBytes(this.#previous, key) >= 0', 'compareBytes(this.#previous, key) > 0'],
    [cursor],
  ),
  bug(
    'leaves of the slot before are counted into the next',
    'diff/leaf-cursor.ts',
    ['    this.#slotLeaves = 0;\n', ''],
    [cursor, diff],
  ),
  bug(
    'what a copy sends beyond what was asked is not seen',
    'diff/leaf-cursor.ts',
    ['    if (page !== null)\n      throw', '    if (page !== null && page.slot < 0)\n      throw'],
    [cursor, diff],
  ),
  bug(
    'the head of a digest is taken where the whole was due',
    'diff/leaf-cursor.ts',
    [
      'digest.length === digestHeadBytes && this.#headSlots.has(this.#summary?.slot ?? -1)',
      'digest.length === digestHeadBytes',
    ],
    [cursor],
  ),
  bug(
    'trees of unlike slot counts are compared',
    'diff/check-alike.ts',
    ['({ slotScheme }) => slotScheme && describeScheme(slotScheme),', '() => null,'],
    [diff],
  ),
  bug(
    'content that differs at equal revision and delete time is taken for equal',
    'property/version.ts',
    ['return compareBytes(a.digest, b.digest);', 'return 0;'],
    [order],
  ),
  bug(
    'entities are ordered as joined texts, in which a slash stands between name and id',
    'property/entity.ts',
    ['(entity.name)}\\u0000', '(entity.name)}/'],
    [order],
  ),
  bug(
    'a name with a slash is stored, and found by nobody',
    'property-index/prepare-version.ts',
    [" || property.name.includes('/')", ''],
    ['unit/property-index/index-writer.test.ts'],
  ),
  bug(
    'a version of another group is taken',
    'property-index/prepare-version.ts',
    ['if (property.group !== target.group) return', "if (property.group === '') return"],
    ['contract/local-shard-copy.test.ts'],
  ),
  bug(
    'a version is taken for the entity of its key, whatever it is of',
    'property-index/prepare-version.ts',
    ['if (!prepared.key.equals(incoming.key)) {', 'if (prepared.key.length === 0) {'],
    ['contract/local-shard-copy.test.ts'],
  ),
  bug(
    'versions are stored as their sender spells them',
    'property-index/prepare-version.ts',
    [
      'const text = spellProperty(property, target.spelling);',
      'const text = spelled?.source ?? spellProperty(property, target.spelling);',
    ],
    ['unit/repair/unlike-copies.test.ts', 'contract/local-shard-copy.test.ts'],
  ),
  bug(
    'an apply may begin in the middle',
    'peer/serve-values.ts',
    ['if (batch !== batches)', 'if (batch < 0)'],
    [peerClient],
  ),
  bug(
    'a batch of any size is taken',
    'peer/serve-values.ts',
    ['if (versions.length > applyBatchRowsMax) {', 'if (versions.length < 0) {'],
    [peerClient],
  ),
  bug(
    'peers need no certificate',
    'peer/grpc-listener.ts',
    ['rejectUnauthorized: mutual,', 'rejectUnauthorized: false,'],
    ['unit/peer/tls.test.ts'],
  ),
  bug(
    'one shard is visited again and again, others never',
    'schedule/schedule.ts',
    ['(a.lastVisitMs ?? 0) - (b.lastVisitMs ?? 0)', '(b.lastVisitMs ?? 0) - (a.lastVisitMs ?? 0)'],
    [schedule],
  ),
  bug(
    'a shard is visited while it is being visited',
    'schedule/schedule.ts',
    ["if (state.visiting) state.lastRoundSkip = { reason: 'running', atMs: nowMs };\n      else if", 'if'],
    [schedule],
  ),
  bug(
    'more streams are opened to a node although they make nothing quicker',
    'banyandb/push-width.ts',
    ['this.#halfRate !== null && rate < margin * this.#halfRate', 'this.#halfRate !== null && rate < 0'],
    ['unit/banyandb/push-width.test.ts'],
  ),
  bug(
    'a live version is pushed where the node has a delete of its revision',
    'banyandb/decide-push.ts',
    ['if (compareVersions(own, version) >= 0)', 'if (own.revision > revision)'],
    ['contract/node-shard-copy.test.ts'],
  ),
];
