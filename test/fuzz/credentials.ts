/** Who says to be calling: callers with tokens, and those with none that is good. */
import type { SeededRandom } from '../support/seeded-random.ts';
import { hostileText, mutate } from './hostile-values.ts';

export const tokens = {
  viewer: 'viewer-token-0123456789',
  writer: 'writer-token-0123456789',
  operator: 'operator-token-0123456789',
} as const;

export interface Credential {
  /** Of a header; null where none is sent. */
  readonly authorization: string | null;
  /** What this makes of the caller. */
  readonly role: 'nobody' | 'viewer' | 'writer';
}

/** Mostly what lets nobody in, some of it nearly the token of one who may do everything. */
export function hostileCredential(random: SeededRandom): Credential {
  const nobody = (authorization: string | null): Credential => ({ authorization, role: 'nobody' });
  const token = random.pick(Object.values(tokens));
  return random.pick<() => Credential>([
    () => nobody(null),
    () => nobody(''),
    () => nobody('Bearer'),
    () => nobody(token),
    () => nobody(`Basic ${Buffer.from(`ops:${token}`).toString('base64')}`),
    () => nobody(`Bearer ${token} ${token}`),
    () => nobody(`Bearer ${token}, Bearer ${token}`),
    () => nobody(`Bearer ${token}x`),
    () => nobody(`Bearer ${token.slice(0, -1)}`),
    () => nobody(`Bearer ${token.toUpperCase()}`),
    () => nobody(`Bearer ${'x'.repeat(4_000)}`),
    () => nobody(`Bearer ${plain(hostileText(random))}`),
    () => forged(token, random),
    () => ({ authorization: `Bearer ${tokens.viewer}`, role: 'viewer' }),
    () => ({ authorization: `bearer ${tokens.viewer}`, role: 'viewer' }),
  ])();
}

/** A token with some bytes changed, unless that gave one that is good. */
function forged(token: string, random: SeededRandom): Credential {
  const text = plain(mutate(Buffer.from(token), random).toString('latin1')).trim();
  const good = Object.values(tokens).some((known) => text.split(/\s/).includes(known));
  return { authorization: good ? null : `Bearer ${text}`, role: 'nobody' };
}

/** Without what no header can hold. */
function plain(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?');
}
