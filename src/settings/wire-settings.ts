/** What settings say of messages between peers. */
import { mebibyte } from '../lib/units.ts';
import { z } from 'zod';
import { note } from './setting-values.ts';

/** Ceilings of messages in whole MiB: a batch of values takes up to 1 MiB, a page less. */
export const sendMebibytes = { least: 2, usual: 4 } as const;
export const acceptMebibytes = { least: 4, usual: 10 } as const;

/** A connection may hold no more of what is on its way (sessionMemoryMb of peer/wire-limits.ts). */
export const mebibytesMax = 32;

/** Whole MiB in the file, bytes in the program. */
const ceiling = ({ least, usual }: { readonly least: number; readonly usual: number }) =>
  z
    .int()
    .min(least)
    .max(mebibytesMax)
    .transform((count) => count * mebibyte)
    .prefault(usual);

export const wireSettings = z
  .strictObject({
    sendMax: ceiling(sendMebibytes).meta(
      note('Largest message sent to a peer, in MiB; peers must accept as much.'),
    ),
    acceptMax: ceiling(acceptMebibytes).meta(note('Largest message accepted of a peer, in MiB.')),
    compression: z
      .boolean()
      .default(false)
      .meta(
        note('Compress what goes to and comes from peers that are called; whoever calls here decides it.'),
      ),
  })
  .prefault({});
