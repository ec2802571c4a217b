/** The groups that properties may be written to: those of the data root, those the settings declare, those of other replicas. */
import type { Clock } from '../lib/clock.ts';
import { CodedError } from '../lib/coded-error.ts';
import type { GroupSettings } from '../property/group-settings.ts';
import { createGroup, listGroups, readGroupSettings } from '../property-index/data-root.ts';
import type { OtherReplicas } from './replicas.ts';

/** A group that is to be there. */
export interface DeclaredGroup extends GroupSettings {
  readonly group: string;
}

/** What was read is believed for so long: writers ask for the same groups all the time, and settings hardly ever change. */
const freshMs = 1_000;

/** Groups named in an error; a longer list helps nobody. */
const namedMax = 20;

/** Creates declared groups where they are absent. Throws `bad-settings` for one that is there with other settings. */
export async function declareGroups(root: string, declared: readonly DeclaredGroup[]): Promise<void> {
  for (const { group, ...wanted } of declared) {
    const there = (await readGroupSettings(root, group)) ?? (await createGroup(root, group, wanted));
    for (const name of ['shards', 'slots', 'spelling'] as const) {
      if (there[name] === wanted[name]) continue;
      const message =
        `the settings declare group ${group} with ${name} ${wanted[name]}, but in ${root} it has ${there[name]}; ` +
        `declare it so, or declare it not at all`;
      throw new CodedError('bad-settings', message, {
        field: `groups.${group}.${name}`,
        value: wanted[name],
        set: there[name],
      });
    }
  }
}

export class KnownGroups {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #replicas: OtherReplicas;
  readonly #read = new Map<string, { readonly settings: GroupSettings; readonly atMs: number }>();

  constructor(root: string, clock: Clock, replicas: OtherReplicas) {
    this.#root = root;
    this.#clock = clock;
    this.#replicas = replicas;
  }

  /** Settings of a group; one that only another replica has is made here too. Throws `not-found` that names those there are. */
  async find(group: string, field: string): Promise<GroupSettings> {
    const nowMs = this.#clock.monotonicMs();
    const read = this.#read.get(group);
    if (read !== undefined && nowMs - read.atMs < freshMs) return read.settings;
    const settings = (await readGroupSettings(this.#root, group)) ?? (await this.#adopt(group));
    if (settings === null) throw await this.#absent(group, field);
    this.#read.set(group, { settings, atMs: nowMs });
    return settings;
  }

  async #adopt(group: string): Promise<GroupSettings | null> {
    const settings = this.#replicas.groupSettings(group);
    return settings && (await createGroup(this.#root, group, settings));
  }

  async #absent(group: string, field: string): Promise<CodedError> {
    const names = await listGroups(this.#root);
    const there =
      names.length === 0 ? 'there are none yet' : `there are ${names.slice(0, namedMax).join(', ')}`;
    const message = `there is no group ${group}; ${there}. Groups are declared in the settings (groups), or made by loading records`;
    return new CodedError('not-found', message, {
      field,
      value: group,
      reason: 'no such group',
    });
  }
}
