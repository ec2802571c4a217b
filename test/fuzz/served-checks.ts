/** What a process that was attacked must have been and left: no fault in its log, and data as it was. */
import { IndexReader } from '../../src/property-index/index-reader.ts';
import { runCli } from '../support/run-cli.ts';
import type { ServeEnd } from '../support/served-replica.ts';

/** Throws unless it ended well and its log tells of no fault of the program. */
export function checkEnd({ code, stderr }: ServeEnd): void {
  const faults = stderr
    .split('\n')
    .filter((line) => /"code":"internal"|"level":(50|60)|nhandled|^\s+at /.test(line));
  if (code !== 0 || faults.length > 0)
    throw new Error(`it ended with ${code}; ${faults.slice(0, 5).join('\n')}`);
}

/** Throws unless trees and properties of a group are sound. */
export async function checkSound(root: string, group: string): Promise<void> {
  const verified = await runCli(['verify', root, '--group', group]);
  if (verified.code !== 0) throw new Error(`${verified.stdout}${verified.stderr}`);
}

/** Entity key in hex to delete time and text, over all shards of a group. */
export function contentOf(root: string, group: string, shards: number): Map<string, string> {
  const content = new Map<string, string>();
  for (let shard = 0; shard < shards; shard += 1) {
    using reader = new IndexReader({ root, group, shard });
    for (const page of reader.allPages(1_000)) {
      for (const { key, deleteTime, source } of page)
        content.set(key.toString('hex'), `${deleteTime} ${source}`);
    }
  }
  return content;
}
