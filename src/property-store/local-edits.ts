/**
 * Edits of a shard that is held here, in its property index. The index stays open between transactions, but not
 * beyond a change of its file: what was put in its place is written to, not what is gone.
 */
import { statSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import { EncodedVersion } from '../property/encoded-version.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import type { Checkpointer } from '../property-index/checkpointer.ts';
import type { Edit, EditResult } from '../property-index/edit.ts';
import { IndexWriter } from '../property-index/index-writer.ts';
import { checkIndexOfGroup, createIndex, type ShardIdentity } from '../property-index/schema.ts';
import type { EditTarget } from './shard-edits.ts';

export interface LocalEditsOptions {
  readonly identity: ShardIdentity;
  /** Of its group, which exists. */
  readonly settings: GroupSettings;
  readonly clock: Clock;
  readonly checkpointer: Checkpointer;
}

export class LocalEdits implements EditTarget {
  readonly #options: LocalEditsOptions;
  #open: { readonly writer: IndexWriter; readonly file: string } | null = null;

  constructor(options: LocalEditsOptions) {
    this.#options = options;
  }

  async commit(edits: readonly Edit[]): Promise<readonly EditResult[]> {
    const writer = await this.#writer();
    const results = await writer.edit(edits);
    const written = results.map((result) => ('error' in result ? null : result.written));
    const bytes = written.reduce((sum, version) => sum + (version ? EncodedVersion.sizeOf(version) : 0), 0);
    await this.#options.checkpointer.afterWrite(writer.path, bytes);
    return results;
  }

  async #writer(): Promise<IndexWriter> {
    if (this.#open !== null && fileAt(this.#open.writer.path) === this.#open.file) return this.#open.writer;
    this.#close();
    const { identity, settings, clock } = this.#options;
    await createIndex(identity, settings);
    const writer = new IndexWriter(identity, { clock, checkpointsElsewhere: true });
    try {
      checkIndexOfGroup(writer.path, writer.target, settings);
    } catch (error) {
      writer.close();
      throw error;
    }
    this.#open = { writer, file: fileAt(writer.path) };
    return writer;
  }

  #close(): void {
    this.#open?.writer.close();
    this.#open = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close();
  }
}

/** Which file stands at a path; an empty text for none. */
function fileAt(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? '' : `${found.dev}/${found.ino}`;
}
