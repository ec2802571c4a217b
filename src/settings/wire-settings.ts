/** What settings say of messages between peers. */
import { z } from 'zod';
import { note } from './setting-values.ts';

const mebibyte = 1024 * 1024;

/** Whole MiB in the file, bytes in the program. A batch of values takes up to 1 MiB, a page less. */
const ceiling = (least: number) =>
  z
    .int()
    .min(least)
    // A connection may hold no more of what is on its way (sessionMemoryMb of peer/wire-limits.ts).
    .max(32)
    .transform((count) => count * mebibyte);

export const wireSettings = z
  .strictObject({
    sendMax: ceiling(2)
      .prefault(4)
      .meta(note('Largest message sent to a peer, in MiB; peers must accept as much.')),
    acceptMax: ceiling(4).prefault(10).meta(note('Largest message accepted of a peer, in MiB.')),
    compression: z
      .boolean()
      .default(false)
      .meta(
        note('Compress what goes to and comes from peers that are called; whoever calls here decides it.'),
      ),
  })
  .prefault({});
