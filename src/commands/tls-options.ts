/** How HOST:PORT is reached where it speaks TLS. */
import { CodedError } from '../lib/coded-error.ts';
import { TlsFiles } from '../peer/tls.ts';
import type { Command } from './command.ts';

export interface TlsOptions {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Adds `--tls-ca`, `--tls-cert` and `--tls-key`. */
export function addTlsOptions(command: Command): Command {
  return command
    .option('--tls-ca <file>', 'reach HOST:PORT by TLS; this signs its certificate')
    .option('--tls-cert <file>', 'certificate to show there (mTLS)')
    .option('--tls-key <file>', 'its key');
}

/** TLS as the options have it; undefined for none. Throws `bad-argument`. */
export function tlsOf({ tlsCa, tlsCert, tlsKey }: TlsOptions): TlsFiles | undefined {
  if (tlsCa === undefined && tlsCert === undefined && tlsKey === undefined) return undefined;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new CodedError('bad-argument', '--tls-cert and --tls-key go together', { field: 'tls-cert' });
  }
  return new TlsFiles({
    ...(tlsCa !== undefined && { caPath: tlsCa }),
    ...(tlsCert !== undefined && { certPath: tlsCert }),
    ...(tlsKey !== undefined && { keyPath: tlsKey }),
  });
}
