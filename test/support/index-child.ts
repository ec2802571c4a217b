/**
 * A process of its own on a shard: puts records one by one, reads totals over and over, or holds a lock. Says
 * what it found, a line of JSON each; begins when it is told to, so that several begin together.
 */
import { once } from 'node:events';
import { systemClock } from '../../src/lib/clock.ts';
import { FileLock } from '../../src/property-index/file-lock.ts';
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { IndexWriter } from '../../src/property-index/index-writer.ts';
import type { ShardIdentity } from '../../src/property-index/schema.ts';
import { unstamped } from './shard-fixture.ts';

export type IndexChildInput =
  | { readonly task: 'put'; readonly identity: ShardIdentity; readonly name: string; readonly count: number }
  | { readonly task: 'read'; readonly identity: ShardIdentity; readonly until: number }
  | { readonly task: 'lock'; readonly path: string };

const input = JSON.parse(process.argv[2] as string) as IndexChildInput;
const begin = async () => {
  console.log('ready');
  await once(process.stdin, 'data');
};

if (input.task === 'put') {
  using writer = new IndexWriter(input.identity, { clock: systemClock });
  await begin();
  for (let index = 0; index < input.count; index += 1) {
    // Each also writes an entity that the others write.
    await writer.put([unstamped(input.name, String(index)), unstamped('shared', String(index % 5))]);
  }
  console.log('done');
} else if (input.task === 'read') {
  using reader = new IndexReader(input.identity);
  await begin();
  for (let reads = 0; ; reads += 1) {
    const { leaves, live } = reader.totals();
    const counted = reader.count({ deleted: true });
    const after = reader.totals().leaves;
    // Writers only add: a count taken between two totals lies between them.
    if (counted < leaves || counted > after || live !== leaves)
      throw new Error(`${leaves} ${live} ${counted} ${after}`);
    if (leaves >= input.until) {
      console.log(JSON.stringify({ reads }));
      break;
    }
  }
} else {
  const lock = FileLock.tryAcquire(input.path);
  console.log(lock === null ? 'refused' : 'held');
  await once(process.stdin, 'data');
  lock?.release();
  console.log('released');
}
process.exit();
