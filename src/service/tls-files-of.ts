/** Certificates as the settings name them; changed ones that cannot be used are told. */
import { TlsFiles } from '../peer/tls.ts';
import type { Events } from './events.ts';

export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | null;
}

export function tlsFilesOf({ cert, key, ca }: TlsSettings, events: Events): TlsFiles {
  return new TlsFiles(
    { certPath: cert, keyPath: key, ...(ca !== null && { caPath: ca }) },
    { onProblem: (error) => events.problem('tls', error, 'changed certificates could not be used') },
  );
}
