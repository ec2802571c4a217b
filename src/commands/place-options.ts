/** Options that verbs over places share. */
import type { CodedError } from '../lib/coded-error.ts';
import { shardsMax } from '../property/group-settings.ts';
import { type Command, type CommandContext, wholeNumber } from './command.ts';
import type { Member } from '../round/member.ts';
import type { TreeBuilder } from '../tree/tree-builder.ts';
import { openPlace } from './places.ts';

export interface PlaceNarrowing {
  readonly group?: string;
  readonly shard?: number;
}

/** Adds `--group` and `--shard`. */
export function addNarrowing(command: Command): Command {
  return command
    .option('--group <group>', 'only this group')
    .option('--shard <number>', 'only this shard', wholeNumber(0, shardsMax - 1));
}

/** Opens the named places; damaged trees found on the way are told on stderr. */
export function openPlaces(
  { out, clock }: CommandContext,
  names: readonly string[],
  { shard, builder }: PlaceNarrowing & { readonly builder: TreeBuilder },
): Promise<Member[]> {
  const onDamage = (path: string, error: CodedError): void => out.talk(`warning: passed over ${path}: ${error.message}`);
  return Promise.all(names.map((name) => openPlace(name, { clock, builder, shard, onDamage })));
}
