/** Ceilings and compression of messages to and from HOST:PORT, as the settings of `serve` have them under `wire`. */
import { mebibyte } from '../lib/units.ts';
import type { PeerConnectionOptions } from '../peer/peer-connection.ts';
import { acceptMebibytes, mebibytesMax, sendMebibytes } from '../settings/wire-settings.ts';
import { type Command, wholeNumber } from './command.ts';

export interface WireOptions {
  /** MiB. */
  readonly wireSendMax?: number;
  /** MiB. */
  readonly wireAcceptMax?: number;
  readonly wireCompression?: boolean;
}

/** Adds `--wire-send-max`, `--wire-accept-max` and `--wire-compression`. */
export function addWireOptions(command: Command): Command {
  return command
    .option(
      '--wire-send-max <MiB>',
      `largest message sent to a peer, which must accept as much (default ${sendMebibytes.usual})`,
      wholeNumber(sendMebibytes.least, mebibytesMax),
    )
    .option(
      '--wire-accept-max <MiB>',
      `largest message accepted of a peer (default ${acceptMebibytes.usual})`,
      wholeNumber(acceptMebibytes.least, mebibytesMax),
    )
    .option('--wire-compression', 'compress what goes to and comes from peers');
}

/** What the options say of a connection to a peer. */
export function wireOf({
  wireSendMax = sendMebibytes.usual,
  wireAcceptMax = acceptMebibytes.usual,
  wireCompression: compression = false,
}: WireOptions): Pick<PeerConnectionOptions, 'limits' | 'compression'> {
  return {
    limits: { sendBytesMax: wireSendMax * mebibyte, acceptBytesMax: wireAcceptMax * mebibyte },
    compression,
  };
}
