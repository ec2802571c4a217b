/** Parts that requests of several routes have in common. */
import type { ServerResponse } from 'node:http';
import { CodedError } from '../lib/coded-error.ts';
import { z } from 'zod';

/** Items of one page: they are held in memory. */
export const pageMax = 1_000;

/**
 * A number in a path, a query or a header: digits only. What JavaScript also takes for one, nothing at all among it, is
 * refused. What stands for one that is absent is its prefault: a default would not be in the description of the routes.
 */
export function digits(number: z.ZodInt) {
  return z.preprocess(
    (text) => (typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : text),
    number,
  );
}

export const page = digits(z.int().min(1).max(pageMax)).prefault(100);

/** A boolean in a query. */
export const flag = z
  .enum(['true', 'false'])
  .default('false')
  .transform((text) => text === 'true');

export const runPath = z.object({ id: z.string().min(1).max(100) });

/** Aborted when whoever asked goes before there is an answer. The framework's own signal ends with the request's body. */
export function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new CodedError('cancelled', 'who asked has gone'));
  });
  return gone.signal;
}
