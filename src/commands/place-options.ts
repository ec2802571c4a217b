/** Options that verbs over places share, and opening and closing the places they name. */
import { randomUUID } from 'node:crypto';
import type { CodedError } from '../lib/coded-error.ts';
import { shardsMax } from '../property/group-settings.ts';
import { Checkpointer } from '../property-index/checkpointer.ts';
import type { Member } from '../round/member.ts';
import { ApplyThread } from '../shard-copy/apply-thread.ts';
import { TreeBuilder } from '../tree/tree-builder.ts';
import { type Command, type CommandContext, wholeNumber } from './command.ts';
import { addNodeOptions, AddressOpener, type NodeOptions } from './node-options.ts';
import { checkDistinct, openPlace } from './places.ts';
import { addTlsOptions, tlsOf, type TlsOptions } from './tls-options.ts';
import { addWireOptions, type WireOptions } from './wire-options.ts';

export interface PlaceOptions extends NodeOptions, TlsOptions, WireOptions {}

/** Adds `--group`, `--shard`, what BanyanDB nodes need, what peers with TLS need, and what is said of messages. */
export function addPlaceOptions(command: Command): Command {
  const narrowed = addNodeOptions(command)
    .option('--group <group>', 'only this group')
    .option('--shard <number>', 'only this shard', wholeNumber(0, shardsMax - 1));
  return addWireOptions(addTlsOptions(narrowed));
}

/** Runs `work` over the named places, which must differ, and closes them; damaged trees found on the way are told on stderr. */
export async function withPlaces<Result>(
  { out, clock }: CommandContext,
  names: readonly string[],
  options: PlaceOptions,
  work: (places: readonly Member[], addresses: AddressOpener) => Promise<Result>,
): Promise<Result> {
  await checkDistinct(names);
  await using builder = new TreeBuilder(clock);
  await using checkpointer = new Checkpointer((path, error) =>
    out.talk(`warning: the log of ${path} could not be moved yet: ${error.message}`),
  );
  await using applyThread = new ApplyThread(checkpointer, clock);
  using opened = new DisposableStack();
  const onDamage = (path: string, error: CodedError): void =>
    out.talk(`warning: passed over ${path}: ${error.message}`);
  const tls = tlsOf(options);
  const addresses = new AddressOpener(options, {
    clock,
    tls,
    runId: randomUUID(),
    onRemark: (text) => out.talk(text),
  });
  const openAddress = (name: string): Member => addresses.open(name, tls);
  const places = await Promise.all(
    names.map((name) =>
      openPlace(name, { clock, builder, applyThread, shard: options.shard, onDamage, openAddress }),
    ),
  );
  for (const place of places) if (Symbol.dispose in place) opened.use(place as Member & Disposable);
  return await work(places, addresses);
}
