/**
 * Edits of a shard that is not held here: decided on what a replica that holds it has, and applied there. They are
 * made one batch after another, so that edits made through this replica see each other; an edit that others made
 * meanwhile is noticed, since it is greater, and the edit is decided anew.
 */
import { assert } from '../lib/assert.ts';
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import { throwIfAborted } from '../lib/event-loop.ts';
import { entityKey, joinEntity } from '../property/entity.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { parseSource } from '../property/source-json.ts';
import type { StoredVersion } from '../property/version.ts';
import type { Edit, EditResult } from '../property-index/edit.ts';
import { prepareProperty, storedOf } from '../property-index/prepare-version.ts';
import type { ShardCopy } from '../shard-copy/shard-copy.ts';
import type { OtherReplica } from './replicas.ts';
import type { EditTarget } from './shard-edits.ts';

export interface RemoteEditsOptions {
  readonly group: string;
  readonly shard: number;
  readonly settings: GroupSettings;
  readonly clock: Clock;
  /** Who holds the shard, in the order in which they are asked. */
  readonly holders: () => readonly OtherReplica[];
  /** Cuts what is under way: a batch is of many writers, so that none of them alone does. */
  readonly signal: AbortSignal;
}

/** Times that an edit is decided anew since others were faster; more means that somebody writes all the time. */
const attemptsMax = 5;

/** Edits of one batch on their way. */
interface Decided {
  readonly edit: Edit;
  result: EditResult | null;
}

export class RemoteEdits implements EditTarget {
  readonly #options: RemoteEditsOptions;

  constructor(options: RemoteEditsOptions) {
    this.#options = options;
  }

  async commit(edits: readonly Edit[]): Promise<readonly EditResult[]> {
    const { group, shard, holders, signal } = this.#options;
    const failures: CodedError[] = [];
    for (const holder of holders()) {
      try {
        return await this.#commitAt(holder.copy(group, shard), edits);
      } catch (error) {
        throwIfAborted(signal);
        failures.push(CodedError.from(error));
      }
    }
    const why = failures.map(({ message }) => message).join('; ') || 'none is known';
    const message = `shard ${shard} of group ${group} is not held here, and no replica that holds it took the write: ${why}`;
    throw new CodedError('unreachable', message, { group, shard });
  }

  async #commitAt(copy: ShardCopy, edits: readonly Edit[]): Promise<readonly EditResult[]> {
    const decided: Decided[] = edits.map((edit) => ({ edit, result: null }));
    const { settings, signal } = this.#options;
    await using session = await copy.openApply({ settings, confirmed: edits.length * attemptsMax, signal });
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const open = decided.filter(({ result }) => result === null);
      if (open.length === 0) break;
      const newest = await this.#decide(copy, open);
      const versions = [...newest.values()];
      const applied = versions.length === 0 ? [] : await session.apply(versions);
      for (const [at, { key }] of versions.entries()) {
        const told = applied[at];
        assert(told !== undefined, 'every version has a result');
        if (told.result === 'applied') continue;
        const error = told.result === 'refused' ? new CodedError('refused', told.reason) : null;
        // Kept out: somebody wrote a greater one meanwhile.
        for (const one of open) if (entityKey(one.edit.entity).equals(key)) one.result = error && { error };
      }
    }
    return decided.map(({ edit, result }) => result ?? { error: outrun(edit) });
  }

  /** Decides every edit on the newest versions of `copy`; gives what is to be written, the last version of each entity. */
  async #decide(copy: ShardCopy, open: readonly Decided[]): Promise<ReadonlyMap<string, StoredVersion>> {
    const keys = new Map(open.map(({ edit }) => [nameOf(edit), entityKey(edit.entity)]));
    const current = new Map<string, StoredVersion>();
    for await (const page of copy.fetch(keys.values(), this.#options.signal))
      for (const { key, version } of page) if (version !== null) current.set(key.toString('latin1'), version);
    const newest = new Map<string, StoredVersion>();
    for (const one of open) {
      const before = current.get(nameOf(one.edit)) ?? null;
      one.result = this.#decideOne(one.edit, before);
      const written = 'error' in one.result ? null : one.result.written;
      if (written === null) continue;
      current.set(nameOf(one.edit), written);
      newest.set(nameOf(one.edit), written);
    }
    return newest;
  }

  #decideOne({ decide }: Edit, before: StoredVersion | null): EditResult {
    try {
      const current = before && { property: parseSource(before.source), deleteTime: before.deleteTime };
      const decided = decide(current, (seen) => this.#stamp(before, seen));
      if (decided === null) return { before, written: null };
      const prepared = prepareProperty(decided.property, decided.deleteTime, {
        ...this.#options,
        ...this.#options.settings,
      });
      if (typeof prepared === 'string')
        throw new CodedError('bad-argument', `${joinEntity(decided.property)} cannot be stored: ${prepared}`);
      return { before, written: storedOf(prepared) };
    } catch (error) {
      return { error: CodedError.from(error) };
    }
  }

  // Of the shard only this entity's revision is known here; that is the one the write must not lose to.
  #stamp(before: StoredVersion | null, seen: bigint): bigint {
    const now = this.#options.clock.nowNs();
    const greatest = before !== null && before.revision > seen ? before.revision : seen;
    return now > greatest ? now : greatest + 1n;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function nameOf({ entity }: Edit): string {
  return entityKey(entity).toString('latin1');
}

function outrun({ entity }: Edit): CodedError {
  const message = `${joinEntity(entity)} was written by others ${attemptsMax} times meanwhile; try again`;
  return new CodedError('busy', message, { entity: joinEntity(entity) });
}
